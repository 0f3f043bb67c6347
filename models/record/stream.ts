/**
 * What a run asked of its GPUDevice, in queue order, as data: the raw material of a Program.
 * Buffers are known by the recorder's own objects, which outlive the GPUBuffers.
 */

/** A GPUBuffer that the recorder saw being created, or that the caller named. */
export interface RecordedBuffer {
  readonly id: number;
  readonly gpu: GPUBuffer;
  readonly sizeBytes: number;
}

export interface RecordedPipeline {
  readonly code: string;
  readonly entryPoint: string;
  readonly constants: Readonly<Record<string, number>>;
}

export interface RecordedBinding {
  readonly group: number;
  readonly binding: number;
  readonly buffer: RecordedBuffer;
  readonly offset: number;
  readonly sizeBytes: number;
}

export type StreamEvent =
  | {
      readonly type: "dispatch";
      readonly pipeline: RecordedPipeline;
      readonly bindings: readonly RecordedBinding[];
      readonly workgroups: readonly [number, number, number];
    }
  | {
      readonly type: "copy";
      readonly from: RecordedBuffer;
      readonly fromOffset: number;
      readonly to: RecordedBuffer;
      readonly toOffset: number;
      readonly sizeBytes: number;
    }
  | {
      readonly type: "clear";
      readonly buffer: RecordedBuffer;
      readonly offset: number;
      readonly sizeBytes: number;
    }
  /** Bytes that the host put into a buffer: `writeBuffer`, or a mapping that was written. */
  | {
      readonly type: "write";
      readonly buffer: RecordedBuffer;
      readonly offset: number;
      readonly data: Uint8Array;
    };

export interface Stream {
  readonly events: readonly StreamEvent[];
  /** Things that a Program cannot express, as reasons for people; empty for a recordable run. */
  readonly obstacles: readonly string[];
}

/**
 * Compares two runs of one model on different inputs. Buffers may differ, since an allocator chooses them anew;
 * everything else must be equal.
 * @returns undefined where equal, otherwise the first difference in words.
 */
export function streamDifference(a: Stream, b: Stream): string | undefined {
  if (a.events.length !== b.events.length)
    return `two runs differ in length (${a.events.length} and ${b.events.length} operations)`;
  for (const [i, left] of a.events.entries()) {
    const what = eventDifference(left, b.events[i]!);
    if (what !== undefined) return `operation ${i} of the run ${what}`;
  }
  return undefined;
}

function eventDifference(a: StreamEvent, b: StreamEvent): string | undefined {
  if (a.type === "dispatch" && b.type === "dispatch") {
    const sameShape =
      a.pipeline === b.pipeline &&
      a.workgroups.every((n, i) => n === b.workgroups[i]) &&
      a.bindings.length === b.bindings.length &&
      a.bindings.every((left, i) => sameBinding(left, b.bindings[i]!));
    return sameShape ? undefined : "dispatches other work for other inputs";
  }
  if (a.type === "copy" && b.type === "copy") {
    const same = a.fromOffset === b.fromOffset && a.toOffset === b.toOffset && a.sizeBytes === b.sizeBytes;
    return same ? undefined : "copies other bytes for other inputs";
  }
  if (a.type === "clear" && b.type === "clear")
    return a.offset === b.offset && a.sizeBytes === b.sizeBytes
      ? undefined
      : "clears other bytes for other inputs";
  if (a.type === "write" && b.type === "write") {
    const same = a.offset === b.offset && equalBytes(a.data, b.data);
    return same ? undefined : "uploads values that the CPU computed from the inputs";
  }
  return "is of another kind for other inputs";
}

function sameBinding(a: RecordedBinding, b: RecordedBinding): boolean {
  return (
    a.group === b.group && a.binding === b.binding && a.offset === b.offset && a.sizeBytes === b.sizeBytes
  );
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i]);
}
