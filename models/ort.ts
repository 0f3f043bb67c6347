/**
 * The only file that imports ONNX Runtime Web. Two engines: the CPU provider (the reference, and the fallback)
 * and the WebGPU provider (what is recorded). Types of the library stay behind it: tensors go in and out as ours,
 * or as GPUBuffers. A session lives in a process that ends, because ORT's heap never shrinks.
 */
import type * as Ort from "onnxruntime-web/wasm";
import { DawnletError } from "../kernels/errors.ts";
import { decodeStrings, encodeStrings } from "../kernels/strings.ts";
import {
  type DataType,
  elementCount,
  isDataType,
  type Tensor,
  type TensorSpec,
  type Tensors,
} from "../kernels/tensor.ts";

/** A model as ORT takes it: bytes, and weights that live beside it. */
export interface ModelFiles {
  readonly model: Uint8Array;
  readonly externalData?: ReadonlyArray<{ readonly path: string; readonly data: Uint8Array }>;
}

/** A session whose tensors are in host memory. One call at a time: ORT cannot interleave them. */
export interface CpuSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** @throws DawnletError INVALID_ARGUMENT with ORT's own words. */
  run(inputs: Tensors, outputs?: readonly string[]): Promise<Map<string, Tensor>>;
  release(): Promise<void>;
}

/** A tensor in a GPUBuffer of at least its size. */
export interface GpuTensor {
  readonly spec: TensorSpec;
  readonly buffer: GPUBuffer;
}

export interface GpuRun {
  readonly outputs: GpuTensor[];
  /** Bytes of the outputs, by ORT's own way of reading them back. */
  download(): Promise<Uint8Array[]>;
  dispose(): void;
}

/** A session on a GPUDevice that the caller gave; inputs and outputs stay there. */
export interface GpuSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Outputs belong to ORT until `dispose`. */
  run(inputs: readonly GpuTensor[]): Promise<GpuRun>;
  release(): Promise<void>;
}

export interface CpuSessionOptions {
  /** Threads of the wasm engine. */
  readonly threads?: number;
}

export async function createCpuSession(
  files: ModelFiles,
  options: CpuSessionOptions = {},
): Promise<CpuSession> {
  const ort = await cpuEngine(options.threads ?? 1);
  const session = await createSession(ort, files, { executionProviders: ["wasm"] });
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(inputs, outputs) {
      const feeds: Record<string, Ort.Tensor> = {};
      for (const [name, tensor] of Object.entries(inputs)) feeds[name] = toOrtTensor(ort, name, tensor);
      const wanted = outputs ?? session.outputNames;
      const results = await session.run(feeds, wanted, quietRun).catch((error: unknown) => {
        throw new DawnletError("INVALID_ARGUMENT", `ONNX Runtime refused the call: ${wordsOf(error)}`);
      });
      return new Map(Object.entries(results).map(([name, value]) => [name, fromOrtTensor(name, value)]));
    },
    release: () => session.release(),
  };
}

export interface GpuSessionOptions {
  readonly enableGraphCapture?: boolean;
}

/**
 * @param device must accept `writeBuffer` from shared memory: see `acceptSharedMemory` of record/device.ts.
 */
export async function createGpuSession(
  device: GPUDevice,
  files: ModelFiles,
  options: GpuSessionOptions = {},
): Promise<GpuSession> {
  const ort = await gpuEngine();
  const session = await createSession(ort, files, {
    executionProviders: [{ name: "webgpu", device, preferredLayout: "NHWC" }],
    preferredOutputLocation: "gpu-buffer",
    ...(options.enableGraphCapture === true ? { enableGraphCapture: true } : {}),
  });
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(inputs) {
      const feeds: Record<string, Ort.Tensor> = {};
      for (const { spec, buffer } of inputs) {
        const dataType = spec.dataType as Ort.Tensor.GpuBufferDataTypes;
        feeds[spec.name] = ort.Tensor.fromGpuBuffer(buffer as never, { dataType, dims: spec.shape });
      }
      const results = await session.run(feeds, quietRun);
      const outputs = session.outputNames.map((name) => toGpuTensor(name, results[name]!));
      return {
        outputs,
        download: async () => {
          const values = await Promise.all(session.outputNames.map((name) => results[name]!.getData()));
          return values.map((value) => {
            const view = value as unknown as ArrayBufferView;
            return new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);
          });
        },
        dispose: () => {
          for (const name of session.outputNames) results[name]?.dispose();
        },
      };
    },
    release: () => session.release(),
  };
}

/** Data types that ORT's WebGPU provider takes and gives as GPUBuffers. */
export const gpuDataTypes: ReadonlySet<DataType> = new Set([
  "float32",
  "float16",
  "int32",
  "int64",
  "uint32",
  "uint8",
  "bool",
]);

type Engine = typeof Ort;

/** ORT throws what went wrong and prints it as well; samples that a model refuses are no news. */
const quiet = { environment: "fatal", severity: 4 } as const;
/** A run has a level of its own, which is not the session's where none is given. */
const quietRun: Ort.InferenceSession.RunOptions = { logSeverityLevel: quiet.severity };

let cpu: Promise<Engine> | undefined;
let gpu: Promise<Engine> | undefined;

function cpuEngine(threads: number): Promise<Engine> {
  cpu ??= import("onnxruntime-web/wasm").then((ort) => {
    ort.env.logLevel = quiet.environment;
    ort.env.wasm.numThreads = threads;
    return ort;
  });
  return cpu;
}

function gpuEngine(): Promise<Engine> {
  // The JSPI build: a third smaller than the asyncify one, and its calls cost less.
  gpu ??= import("onnxruntime-web/jspi").then((ort) => {
    ort.env.logLevel = quiet.environment;
    ort.env.wasm.numThreads = 1;
    return ort;
  });
  return gpu;
}

async function createSession(
  ort: Engine,
  files: ModelFiles,
  options: Ort.InferenceSession.SessionOptions,
): Promise<Ort.InferenceSession> {
  try {
    return await ort.InferenceSession.create(files.model, {
      ...options,
      logSeverityLevel: quiet.severity,
      ...(files.externalData === undefined
        ? {}
        : { externalData: files.externalData.map(({ path, data }) => ({ path, data })) }),
    });
  } catch (error) {
    const words = wordsOf(error);
    const code = contradiction.test(words) ? "INVALID_MODEL" : "UNSUPPORTED_MODEL";
    throw new DawnletError(code, `ONNX Runtime cannot load the model: ${words}`, { cause: error });
  }
}

/** How ORT begins where a model contradicts itself, rather than being beyond ORT. */
const contradiction = /^invalid model|this is an invalid model|does not match expected size/i;

function toOrtTensor(ort: Engine, name: string, { dataType, shape, data }: Tensor): Ort.Tensor {
  if (dataType === "string") {
    const texts = decodeStrings(name, data, elementCount(shape), "ONNX Runtime takes no other bytes");
    return new ort.Tensor("string", texts, shape);
  }
  // ORT wants a typed view of the right alignment.
  const bytes = new Uint8Array(data);
  const view = new viewOf[dataType](bytes.buffer);
  return new ort.Tensor(dataType as "float32", view as Float32Array, shape);
}

function fromOrtTensor(name: string, value: Ort.Tensor): Tensor {
  const dataType: string = value.type;
  if (!isDataType(dataType))
    throw new DawnletError("UNSUPPORTED_MODEL", `Output '${name}' is of type ${dataType}`);
  const { data } = value;
  if (dataType === "string")
    return { dataType, shape: value.dims, data: encodeStrings(data as unknown as string[]) };
  const view = data as unknown as ArrayBufferView;
  // A copy: ORT may keep the data in its heap.
  return {
    dataType,
    shape: value.dims,
    data: new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice(),
  };
}

function toGpuTensor(name: string, value: Ort.Tensor): GpuTensor {
  const dataType: string = value.type;
  if (value.location !== "gpu-buffer" || !isDataType(dataType))
    throw new DawnletError(
      "UNSUPPORTED_MODEL",
      `Output '${name}' of type ${dataType} is computed on the CPU`,
    );
  return { spec: { name, dataType, shape: value.dims }, buffer: value.gpuBuffer as unknown as GPUBuffer };
}

const viewOf = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** What ORT says, without its error numbers, the path of its source file and the function there. */
function wordsOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message
    .replace(/^.*?ERROR_CODE: \d+, ERROR_MESSAGE: /, "")
    .replace(/\/\S+:\d+ .*?\)(?: const)? (?=[A-Z[])/, "")
    .trim();
}
