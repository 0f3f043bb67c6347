/** Makes a command buffer of an encoder's words. */
import { encode } from "../protocol.ts";
import { type WordReader, WordsEnded } from "../words.ts";
import type { RemoteObjects } from "./objects.ts";
import { takeOnce } from "./take-once.ts";

/** What an encoder says beside its words; see `encoderSchema`. */
export interface EncoderDescriptor {
  readonly label: string;
  readonly encoder: string;
  readonly texts: readonly string[];
  readonly passes: readonly PassDescriptor[];
}

interface PassDescriptor {
  readonly label?: string | undefined;
  readonly timestampWrites?:
    | {
        readonly querySet: number;
        readonly beginningOfPassWriteIndex?: number | undefined;
        readonly endOfPassWriteIndex?: number | undefined;
      }
    | undefined;
}

/**
 * @throws InvalidObject where it names what is not there, WordsEnded where the words do not keep to the protocol, and
 * what the device throws; the encoder is given up then.
 */
export function encodeCommands(
  device: GPUDevice,
  objects: RemoteObjects,
  words: WordReader,
  { label, encoder: encoderLabel, texts, passes }: EncoderDescriptor,
): GPUCommandBuffer {
  const encoder = device.createCommandEncoder({ label: encoderLabel });
  let pass: GPUComputePassEncoder | undefined;
  let nextPass = 0;
  const inPass = (): GPUComputePassEncoder => {
    if (pass === undefined) throw new WordsEnded("A command of a pass stands outside of one");
    return pass;
  };
  const left: (string | undefined)[] = [...texts];
  const text = (index: number): string => takeOnce(left, index) ?? "";
  while (!words.isAtEnd) {
    const code = words.word();
    switch (code) {
      case encode.dispatch:
        inPass().dispatchWorkgroups(words.word(), words.word(), words.word());
        break;
      case encode.setBindGroup: {
        const group = words.word();
        const id = words.word();
        const count = words.count();
        const bindGroup = id === 0 ? null : objects.get("bindGroup", id);
        if (count === 0) inPass().setBindGroup(group, bindGroup);
        else inPass().setBindGroup(group, bindGroup, words.view(count), 0, count);
        break;
      }
      case encode.setPipeline:
        inPass().setPipeline(objects.get("computePipeline", words.word()));
        break;
      case encode.dispatchIndirect:
        inPass().dispatchWorkgroupsIndirect(objects.get("buffer", words.word()), words.long() ?? 0);
        break;
      case encode.beginPass:
        pass = encoder.beginComputePass(passDescriptor(objects, passes[nextPass++] ?? {}));
        break;
      case encode.endPass:
        inPass().end();
        pass = undefined;
        break;
      case encode.copyBuffer: {
        const source = objects.get("buffer", words.word());
        const from = words.long() ?? 0;
        const target = objects.get("buffer", words.word());
        const to = words.long() ?? 0;
        encoder.copyBufferToBuffer(source, from, target, to, words.long() ?? Math.max(0, source.size - from));
        break;
      }
      case encode.clearBuffer: {
        const buffer = objects.get("buffer", words.word());
        const offset = words.long() ?? 0;
        encoder.clearBuffer(buffer, offset, words.long() ?? Math.max(0, buffer.size - offset));
        break;
      }
      case encode.resolveQuerySet: {
        const set = objects.get("querySet", words.word());
        const [first, count] = [words.word(), words.word()];
        encoder.resolveQuerySet(set, first, count, objects.get("buffer", words.word()), words.long() ?? 0);
        break;
      }
      case encode.pushDebugGroup:
        (pass ?? encoder).pushDebugGroup(text(words.word()));
        break;
      case encode.popDebugGroup:
        (pass ?? encoder).popDebugGroup();
        break;
      case encode.insertDebugMarker:
        (pass ?? encoder).insertDebugMarker(text(words.word()));
        break;
      default:
        throw new WordsEnded(`There is no encoder command ${code}`);
    }
  }
  return encoder.finish({ label });
}

function passDescriptor(
  objects: RemoteObjects,
  { label = "", timestampWrites: writes }: PassDescriptor,
): GPUComputePassDescriptor {
  if (writes === undefined) return { label };
  const { beginningOfPassWriteIndex: begin, endOfPassWriteIndex: end } = writes;
  return {
    label,
    timestampWrites: {
      querySet: objects.get("querySet", writes.querySet),
      ...(begin !== undefined && { beginningOfPassWriteIndex: begin }),
      ...(end !== undefined && { endOfPassWriteIndex: end }),
    },
  };
}
