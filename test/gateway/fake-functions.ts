/**
 * `Functions` in memory, for tests of the protocols: functions that compute something simple from their
 * real inputs, a deploy that reads its whole body, and errors on demand.
 */
import type {
  DeployProgress,
  DeployResult,
  FunctionSignature,
  FunctionStatus,
  Functions,
  FunctionVersion,
  Invocation,
  InvocationResult,
  Upload,
} from "../../gateway/functions/functions.ts";
import { takenName, unknownFunction } from "../../gateway/functions/name-errors.ts";
import { DawnletError } from "../../kernels/errors.ts";
import { type FunctionSettingsPatch, patched } from "../../kernels/manifest/function-settings.ts";
import {
  defaultMemorySettings,
  memorySettings,
  statedMemorySettings,
} from "../../kernels/manifest/memory-settings.ts";
import { callSchedule } from "../../kernels/manifest/schedule-settings.ts";
import { type DataType, elementCount, type Tensor, tensorBytes } from "../../kernels/tensor.ts";

type Compute = (invocation: Invocation) => Record<string, Tensor> | Promise<Record<string, Tensor>>;

interface Deployed {
  readonly status: FunctionStatus;
  readonly compute: Compute;
}

export class FakeFunctions implements Functions {
  ready = true;
  /** Thrown by the next calls of `invoke` and `deploy` while set. */
  failure: unknown;
  /** What the last calls were asked. */
  readonly invocations: Invocation[] = [];
  readonly uploads: Array<{ name: string; bytes: Uint8Array; contentType: string | undefined }> = [];
  readonly #deployed = new Map<string, Deployed>();

  constructor() {
    this.#add("add", floatSignature(["a", "b"], ["sum"], ["n"]), add);
    this.#add("echo", floatSignature(["x"], ["y"], ["rows", 3]), ({ inputs }) => ({ y: inputs.x! }));
    this.#add("image", imageSignature, paint);
    this.#add("invert", invertSignature, invert);
    this.#add("split", splitSignature, split);
    this.#add("sleep", floatSignature(["x"], ["y"], [1]), sleep);
    this.#add("grid", floatSignature(["x"], ["y"], ["h", "w"]), ({ inputs }) => ({ y: inputs.x! }));
    for (const dataType of echoTypes) {
      this.#add(`echo-${dataType}`, echoSignature(dataType), ({ inputs }) => ({ y: inputs.x! }));
    }
  }

  #add(
    name: string,
    signature: FunctionSignature,
    compute: Compute,
    bytes: Uint8Array = new Uint8Array(),
    tenant?: string,
  ): FunctionStatus {
    const before = this.#deployed.get(name)?.status.versions ?? [];
    const owner = tenant === undefined ? {} : { tenant };
    const version: FunctionVersion = {
      name,
      ...owner,
      version: before.length + 1,
      digest: `${name}:${bytes.join()}`,
      kind: name.startsWith("echo") ? "onnx" : "wgsl",
      createdAt: "2026-01-01T00:00:00.000Z",
      sizeBytes: bytes.byteLength,
      signature,
      engine: { type: "program" },
    };
    const { memory, schedule } = this.#deployed.get(name)?.status ?? {
      memory: defaultMemorySettings,
      schedule: callSchedule(),
    };
    const status = { name, ...owner, current: version, versions: [...before, version], memory, schedule };
    this.#deployed.set(name, { status, compute });
    return status;
  }

  list(): readonly FunctionStatus[] {
    return [...this.#deployed.values()].map(({ status }) => status);
  }

  get(name: string): FunctionStatus {
    return this.#find(name).status;
  }

  #find(name: string): Deployed {
    const found = this.#deployed.get(name);
    if (found !== undefined) return found;
    throw unknownFunction(name);
  }

  version(name: string, version?: string): FunctionVersion {
    const { current, versions } = this.get(name);
    if (version === undefined) return current;
    const found = versions.find((known) => String(known.version) === version);
    if (found !== undefined) return found;
    throw new DawnletError("NOT_FOUND", `Cannot find version '${version}' of function '${name}'`);
  }

  async deploy(
    name: string,
    upload: Upload,
    onProgress?: (progress: DeployProgress) => void,
  ): Promise<DeployResult> {
    if (this.failure !== undefined) throw this.failure;
    onProgress?.({ phase: "upload", message: "Receiving" });
    const bytes = new Uint8Array(await new Response(upload.body).arrayBuffer());
    onProgress?.({ phase: "store", message: `Storing ${bytes.byteLength} bytes` });
    this.uploads.push({ name, bytes, contentType: upload.contentType });
    const known = this.#deployed.get(name);
    const tenant = known === undefined ? upload.tenant : known.status.tenant;
    if (upload.tenant !== undefined && upload.tenant !== tenant) throw takenName(name);
    if (known?.status.current.digest === `${name}:${bytes.join()}`)
      return { function: known.status, changed: false };
    const status = this.#add(
      name,
      floatSignature(["x"], ["y"], ["n"]),
      ({ inputs }) => ({ y: inputs.x! }),
      bytes,
      tenant,
    );
    return { function: status, changed: true };
  }

  async configure(name: string, patch: FunctionSettingsPatch): Promise<FunctionStatus> {
    const { status, compute } = this.#find(name);
    const stated = patched({}, patch);
    const memory = memorySettings(statedMemorySettings(stated));
    const changed = { ...status, memory, schedule: callSchedule(stated) };
    this.#deployed.set(name, { status: changed, compute });
    return changed;
  }

  async remove(name: string): Promise<void> {
    this.#deployed.delete(name);
  }

  /** For tests: as three strikes would. */
  quarantine(name: string): void {
    const quarantine = { since: "2026-01-02T00:00:00.000Z", strikes: 3, reason: "it hung" };
    this.#replaceCurrent(name, (version) => ({ ...version, quarantine }));
  }

  /** For tests: as a failed call or a check would. */
  damage(name: string): void {
    const damage = { since: "2026-01-02T00:00:00.000Z", reason: "it has rotted", digest: "ab".repeat(32) };
    this.#replaceCurrent(name, (version) => ({ ...version, damage }));
  }

  /** For tests: as a deploy of the same bytes would. */
  heal(name: string): void {
    this.#replaceCurrent(name, ({ damage: _, ...version }) => version);
  }

  async liftQuarantine(name: string): Promise<void> {
    if (this.get(name).current.quarantine === undefined)
      throw new DawnletError("NOT_FOUND", `Function '${name}' is not in quarantine`);
    this.#replaceCurrent(name, ({ quarantine: _, ...version }) => version);
  }

  #replaceCurrent(name: string, change: (version: FunctionVersion) => FunctionVersion): void {
    const deployed = this.#find(name);
    const current = change(deployed.status.current);
    const versions = [...deployed.status.versions.slice(0, -1), current];
    this.#deployed.set(name, { ...deployed, status: { ...deployed.status, current, versions } });
  }

  async invoke(invocation: Invocation): Promise<InvocationResult> {
    this.invocations.push(invocation);
    if (this.failure !== undefined) throw this.failure;
    const { compute } = this.#find(invocation.name);
    const version = this.version(invocation.name, invocation.version);
    const results = await compute(invocation);
    const names = invocation.outputs ?? version.signature.outputs.map((output) => output.name);
    return {
      version,
      outputs: names.map((name) => ({ name, tensor: results[name]! })),
      timings: [
        ["queue", 0.25],
        ["load", 0.5],
        ["execute", 1.5],
      ],
    };
  }

  invokeHeld(): never {
    throw new DawnletError("UNSUPPORTED", "These functions hold nothing on a device");
  }

  fetch(): never {
    throw new DawnletError("UNSUPPORTED", "These functions are no handlers");
  }

  async inspect(name: string, version?: string): Promise<unknown> {
    return { name, version: this.version(name, version).version, steps: [] };
  }
}

const echoTypes: readonly DataType[] = ["int64", "uint8", "float16", "bool", "string", "float64", "uint64"];

/** A tensor of plain numbers, for expectations as well. */
export function floats(shape: readonly number[], values: readonly number[]): Tensor {
  return { dataType: "float32", shape, data: new Uint8Array(new Float32Array(values).buffer) };
}

function floatSignature(
  inputs: readonly string[],
  outputs: readonly string[],
  shape: ReadonlyArray<number | string>,
): FunctionSignature {
  const tensor = (name: string) => ({ name, dataType: "float32" as const, shape });
  return { inputs: inputs.map(tensor), outputs: outputs.map(tensor), parameters: [] };
}

function echoSignature(dataType: DataType): FunctionSignature {
  const shape = ["n"];
  return {
    inputs: [{ name: "x", dataType, shape }],
    outputs: [{ name: "y", dataType, shape }],
    parameters: [],
  };
}

function numbers(tensor: Tensor): Float32Array {
  return new Float32Array(tensor.data.slice().buffer);
}

const add: Compute = ({ inputs }) => {
  const { a, b } = inputs;
  const right = numbers(b!);
  return {
    sum: floats(
      a!.shape,
      [...numbers(a!)].map((value, i) => value + right[i]!),
    ),
  };
};

const imageSignature: FunctionSignature = {
  inputs: [],
  outputs: [{ name: "pixels", dataType: "uint8", shape: ["height", "width", 4] }],
  parameters: [
    { name: "width", dataType: "uint32", default: 4, minimum: 1, maximum: 64 },
    { name: "height", dataType: "uint32", default: 2, minimum: 1, maximum: 64 },
    { name: "shade", dataType: "float32" },
  ],
};

/** A gradient: red grows by column, green by row. */
const paint: Compute = ({ parameters }) => {
  const { width = 4, height = 2, shade = 0 } = parameters;
  const data = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel++) {
    data.set([pixel % width, Math.floor(pixel / width), Math.round(shade * 255), 255], pixel * 4);
  }
  return { pixels: { dataType: "uint8", shape: [height, width, 4], data } };
};

const invertSignature: FunctionSignature = {
  inputs: [{ name: "image", dataType: "uint8", shape: ["h", "w", 4] }],
  outputs: [{ name: "inverted", dataType: "uint8", shape: ["h", "w", 4] }],
  parameters: [],
};

const invert: Compute = ({ inputs }) => {
  const { shape, data } = inputs.image!;
  return {
    inverted: { dataType: "uint8", shape, data: data.map((byte, i) => (i % 4 === 3 ? byte : 255 - byte)) },
  };
};

const splitSignature: FunctionSignature = {
  inputs: [{ name: "x", dataType: "float32", shape: ["n"] }],
  outputs: [
    { name: "floor", dataType: "int32", shape: ["n"] },
    { name: "rest", dataType: "float32", shape: ["n"] },
  ],
  parameters: [{ name: "offset", dataType: "int32", default: 0, minimum: -10, maximum: 10 }],
};

const split: Compute = ({ inputs, parameters }) => {
  const values = [...numbers(inputs.x!)].map((value) => value + (parameters.offset ?? 0));
  const floor = new Int32Array(values.map(Math.floor));
  return {
    floor: { dataType: "int32", shape: [values.length], data: new Uint8Array(floor.buffer) },
    rest: floats(
      [values.length],
      values.map((value) => value - Math.floor(value)),
    ),
  };
};

/** Waits for as long as its input says, in milliseconds; stops when it is aborted. */
const sleep: Compute = ({ inputs, signal }) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve({ y: inputs.x! }), numbers(inputs.x!)[0]);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

/** Elements of a tensor of any float shape: what a test compares. */
export function valuesOf(tensor: Tensor): number[] {
  if (tensorBytes(tensor.dataType, tensor.shape) !== tensor.data.byteLength)
    throw new RangeError("wrong size");
  return [...numbers(tensor)].slice(0, elementCount(tensor.shape));
}
