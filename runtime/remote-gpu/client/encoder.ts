/**
 * Command encoders of a remote device. Commands gather here as words and leave with `finish`; only the device's owner
 * says whether they are valid. What this side must say by itself (a finished encoder, an open pass) is noted, and told
 * by `finish` too.
 */
import { command, encode, maxWords } from "../protocol.ts";
import { WordWriter } from "../words.ts";
import type { Connection } from "./connection.ts";
import { notSupported } from "./errors.ts";
import { optionalSize64, size64, uint32 } from "./numbers.ts";
import { idOf, RemoteCommandBuffer } from "./objects.ts";

/** What an encoder and its passes write to. */
interface Recording {
  readonly connection: Connection;
  readonly words: WordWriter;
  /** The owner frees what is forgotten here: what is named is held until it was submitted. */
  readonly uses: Set<unknown>;
  readonly texts: string[];
  readonly passes: unknown[];
  state: "open" | "inPass" | "finished";
  /** The first thing that this side finds wrong. */
  wrong: string | undefined;
  calls: number;
}

export class RemoteCommandEncoder implements GPUCommandEncoder {
  declare readonly __brand: "GPUCommandEncoder";
  label: string;
  readonly #connection: Connection;
  readonly #recording: Recording;

  constructor(connection: Connection, label = "") {
    this.#connection = connection;
    this.label = label;
    this.#recording = {
      connection,
      words: new WordWriter(),
      uses: new Set(),
      texts: [],
      passes: [],
      state: "open",
      wrong: undefined,
      calls: 0,
    };
  }

  beginComputePass({ label, timestampWrites }: GPUComputePassDescriptor = {}): RemoteComputePass {
    if (this.#isOpen("beginComputePass")) {
      this.#recording.passes.push({
        ...(label !== undefined && { label }),
        ...(timestampWrites && {
          timestampWrites: {
            ...timestampWrites,
            querySet: use(this.#recording, timestampWrites.querySet, "querySet"),
          },
        }),
      });
      this.#recording.words.word(encode.beginPass);
      this.#recording.state = "inPass";
      return new RemoteComputePass(this.#recording, label);
    }
    // One that takes commands and does nothing: the encoder is invalid already.
    return new RemoteComputePass({ ...this.#recording, words: new WordWriter() }, label);
  }

  copyBufferToBuffer(source: GPUBuffer, target: GPUBuffer, size?: GPUSize64): undefined;
  copyBufferToBuffer(
    source: GPUBuffer,
    sourceOffset: GPUSize64,
    target: GPUBuffer,
    targetOffset: GPUSize64,
    size?: GPUSize64,
  ): undefined;
  copyBufferToBuffer(
    source: GPUBuffer,
    second: GPUSize64 | GPUBuffer,
    third?: GPUBuffer | GPUSize64,
    targetOffset: GPUSize64 = 0,
    size?: GPUSize64,
  ): undefined {
    const isShort = typeof second === "object";
    const target = isShort ? second : (third as GPUBuffer);
    const sourceOffset = isShort ? 0 : second;
    const length = isShort ? (third as GPUSize64 | undefined) : size;
    // All of these may throw: nothing is written before.
    const from = use(this.#recording, source, "source");
    const to = use(this.#recording, target, "destination");
    const offset = size64(sourceOffset, "sourceOffset");
    const toOffset = size64(isShort ? 0 : targetOffset, "destinationOffset");
    const bytes = optionalSize64(length, "size");
    if (!this.#isOpen("copyBufferToBuffer")) return;
    const { words } = this.#recording;
    words.words2(encode.copyBuffer, from);
    words.long(offset);
    words.word(to);
    words.long(toOffset);
    words.long(bytes);
  }

  clearBuffer(buffer: GPUBuffer, offset: GPUSize64 = 0, size?: GPUSize64): undefined {
    const id = use(this.#recording, buffer, "buffer");
    const [from, length] = [size64(offset, "offset"), optionalSize64(size, "size")];
    if (!this.#isOpen("clearBuffer")) return;
    const { words } = this.#recording;
    words.words2(encode.clearBuffer, id);
    words.long(from);
    words.long(length);
  }

  resolveQuerySet(
    querySet: GPUQuerySet,
    firstQuery: GPUSize32,
    queryCount: GPUSize32,
    destination: GPUBuffer,
    destinationOffset: GPUSize64,
  ): undefined {
    const set = use(this.#recording, querySet, "querySet");
    const target = use(this.#recording, destination, "destination");
    const [first, count] = [uint32(firstQuery, "firstQuery"), uint32(queryCount, "queryCount")];
    const offset = size64(destinationOffset, "destinationOffset");
    if (!this.#isOpen("resolveQuerySet")) return;
    const { words } = this.#recording;
    words.words4(encode.resolveQuerySet, set, first, count);
    words.word(target);
    words.long(offset);
  }

  pushDebugGroup(groupLabel: string): undefined {
    if (this.#isOpen("pushDebugGroup")) pushText(this.#recording, encode.pushDebugGroup, groupLabel);
  }

  popDebugGroup(): undefined {
    if (this.#isOpen("popDebugGroup")) this.#recording.words.word(encode.popDebugGroup);
  }

  insertDebugMarker(markerLabel: string): undefined {
    if (this.#isOpen("insertDebugMarker")) pushText(this.#recording, encode.insertDebugMarker, markerLabel);
  }

  finish({ label = "" }: GPUCommandBufferDescriptor = {}): GPUCommandBuffer {
    const connection = this.#connection;
    const recording = this.#recording;
    const id = connection.newId();
    if (recording.state !== "open") {
      const why = recording.state === "inPass" ? "a pass is not ended" : "it is finished already";
      recording.wrong ??= `Cannot finish the command encoder '${this.label}': ${why}`;
    }
    recording.state = "finished";
    if (recording.words.length > maxWords / 2)
      recording.wrong ??= `Cannot finish the command encoder '${this.label}': it holds too many commands`;
    if (recording.wrong !== undefined) {
      // An id that the owner does not know is an invalid command buffer.
      connection.invalid(recording.wrong);
      return new RemoteCommandBuffer(connection, id, label, []);
    }
    const { texts, passes } = recording;
    const descriptor = connection.describe({ label, encoder: this.label, texts, passes });
    const encoded = recording.words.view();
    const words = connection.begin(command.finish);
    words.words2(id, descriptor);
    words.word(encoded.length);
    words.append(encoded);
    connection.calls += recording.calls;
    connection.end();
    return new RemoteCommandBuffer(connection, id, label, recording.uses);
  }

  beginRenderPass(): never {
    return notSupported("begin a render pass");
  }

  copyBufferToTexture(): never {
    return notSupported("copy to a texture");
  }

  copyTextureToBuffer(): never {
    return notSupported("copy from a texture");
  }

  copyTextureToTexture(): never {
    return notSupported("copy between textures");
  }

  #isOpen(method: string): boolean {
    const recording = this.#recording;
    recording.calls++;
    if (recording.state === "open") return true;
    const why = recording.state === "inPass" ? "a pass is open" : "it is finished";
    recording.wrong ??= `Cannot call ${method} of the command encoder '${this.label}': ${why}`;
    // A finished one has told already.
    if (recording.state === "finished") this.#connection.invalid(recording.wrong);
    return false;
  }
}

export class RemoteComputePass implements GPUComputePassEncoder {
  declare readonly __brand: "GPUComputePassEncoder";
  label: string;
  readonly #recording: Recording;
  readonly #words: WordWriter;
  #isEnded = false;

  constructor(recording: Recording, label = "") {
    this.#recording = recording;
    this.#words = recording.words;
    this.label = label;
  }

  setPipeline(pipeline: GPUComputePipeline): undefined {
    const id = use(this.#recording, pipeline, "pipeline");
    if (this.#isOpen()) this.#words.words2(encode.setPipeline, id);
  }

  setBindGroup(
    index: GPUIndex32,
    bindGroup: GPUBindGroup | null | undefined,
    dynamicOffsets?: Iterable<GPUBufferDynamicOffset>,
  ): undefined;
  setBindGroup(
    index: GPUIndex32,
    bindGroup: GPUBindGroup | null | undefined,
    dynamicOffsetsData: Uint32Array,
    dynamicOffsetsDataStart: GPUSize64,
    dynamicOffsetsDataLength: GPUSize32,
  ): undefined;
  setBindGroup(
    index: GPUIndex32,
    bindGroup: GPUBindGroup | null | undefined,
    offsets?: Iterable<GPUBufferDynamicOffset>,
    start?: GPUSize64,
    length?: GPUSize32,
  ): undefined {
    const id = bindGroup ? use(this.#recording, bindGroup, "bindGroup") : 0;
    const group = uint32(index, "index");
    const dynamic = offsets === undefined ? [] : dynamicOffsets(offsets, start, length);
    if (!this.#isOpen()) return;
    this.#words.words4(encode.setBindGroup, group, id, dynamic.length);
    for (const offset of dynamic) this.#words.word(offset);
  }

  dispatchWorkgroups(x: GPUSize32, y: GPUSize32 = 1, z: GPUSize32 = 1): undefined {
    const [columns, rows, layers] = [uint32(x, "x"), uint32(y, "y"), uint32(z, "z")];
    if (this.#isOpen()) this.#words.words4(encode.dispatch, columns, rows, layers);
  }

  dispatchWorkgroupsIndirect(indirectBuffer: GPUBuffer, indirectOffset: GPUSize64): undefined {
    const id = use(this.#recording, indirectBuffer, "indirectBuffer");
    const offset = size64(indirectOffset, "indirectOffset");
    if (!this.#isOpen()) return;
    this.#words.words2(encode.dispatchIndirect, id);
    this.#words.long(offset);
  }

  setImmediates(): never {
    return notSupported("set immediate data");
  }

  pushDebugGroup(groupLabel: string): undefined {
    if (this.#isOpen()) pushText(this.#recording, encode.pushDebugGroup, groupLabel);
  }

  popDebugGroup(): undefined {
    if (this.#isOpen()) this.#words.word(encode.popDebugGroup);
  }

  insertDebugMarker(markerLabel: string): undefined {
    if (this.#isOpen()) pushText(this.#recording, encode.insertDebugMarker, markerLabel);
  }

  end(): undefined {
    if (!this.#isOpen()) return;
    this.#isEnded = true;
    this.#words.word(encode.endPass);
    if (this.#recording.state === "inPass") this.#recording.state = "open";
  }

  #isOpen(): boolean {
    this.#recording.calls++;
    if (!this.#isEnded) return true;
    this.#recording.wrong ??= `Cannot use the compute pass '${this.label}': it is ended`;
    return false;
  }
}

/** The id of an object that the recording names. */
function use({ connection, uses }: Recording, object: GPUObjectBase, what: string): number {
  const id = idOf(object, what, connection);
  uses.add(object);
  return id;
}

function pushText({ words, texts }: Recording, code: number, text: string): void {
  words.words2(code, texts.push(text) - 1);
}

function dynamicOffsets(
  offsets: Iterable<GPUBufferDynamicOffset>,
  start: number | undefined,
  length: number | undefined,
): readonly number[] {
  const all = Array.from(offsets, (offset) => uint32(offset, "dynamicOffset"));
  if (start === undefined || length === undefined) return all;
  if (start + length > all.length)
    throw new RangeError(`Dynamic offsets ${start} to ${start + length} of ${all.length}`);
  return all.slice(start, start + length);
}
