/**
 * What a model computes according to ONNX Runtime's CPU provider: the reference of every rewrite.
 */
import * as ort from "onnxruntime-web";
import {
  type DataType,
  elementBytes,
  type Tensor,
  type Tensors,
  tensorBytes,
} from "../../../kernels/tensor.ts";

ort.env.logLevel = "error";
ort.env.wasm.numThreads = 1;

/** A model that is open for any number of runs. */
export interface Reference {
  run(inputs: Tensors): Promise<Tensors>;
  close(): Promise<void>;
}

/** Opens a model, its graph as it stands: ONNX Runtime's own rewrites are off unless asked for. */
export async function openReference(model: Uint8Array, optimize = false): Promise<Reference> {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: optimize ? "all" : "disabled",
    logSeverityLevel: 3,
  });
  return {
    async run(inputs) {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toOrt(tensor)]));
      const outputs = await session.run(feeds);
      return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, fromOrt(value)]));
    },
    close: () => session.release(),
  };
}

/** Opens a model as `openReference` does and runs it once. */
export async function runReference(model: Uint8Array, inputs: Tensors, optimize = false): Promise<Tensors> {
  const reference = await openReference(model, optimize);
  try {
    return await reference.run(inputs);
  } finally {
    await reference.close();
  }
}

const arrays = {
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
} as const satisfies Record<Exclude<DataType, "string">, unknown>;

function toOrt({ dataType, shape, data }: Tensor): ort.Tensor {
  if (dataType === "string") return new ort.Tensor("string", stringsOf(data), shape);
  const values = new arrays[dataType](Uint8Array.from(data).buffer);
  // The constructor's overloads pair each type with its array, which a union of both cannot show.
  return new (ort.Tensor as new (type: string, values: unknown, dims: readonly number[]) => ort.Tensor)(
    dataType,
    values,
    shape,
  );
}

function fromOrt(value: ort.Tensor): Tensor {
  const { type, dims, data } = value;
  if (data === undefined || !ArrayBuffer.isView(data)) {
    if (type === "string")
      return { dataType: type, shape: [...dims], data: packed(data as readonly string[]) };
    throw new TypeError(`an output that is no tensor: ${type}`);
  }
  if (type === "int4" || type === "uint4") throw new TypeError(`an output of ${type}`);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return { dataType: type, shape: [...dims], data: bytes };
}

/** The largest amount by which `actual` leaves the tolerance of ONNX's own runner; negative where it stays inside. */
export function excess(actual: Tensor, expected: Tensor, relative = 1e-3, absolute = 1e-7): number {
  const [left, right] = [numbersOf(actual), numbersOf(expected)];
  if (left.length !== right.length) return Number.POSITIVE_INFINITY;
  let worst = Number.NEGATIVE_INFINITY;
  for (const [index, value] of right.entries()) {
    const other = left[index] ?? Number.NaN;
    // Infinities and NaN must be met exactly; they have no distance.
    const isSame = Object.is(other, value);
    const difference = isSame ? 0 : Math.abs(other - value);
    const tolerance = isSame ? 0 : absolute + relative * Math.abs(value);
    const beyond = difference - tolerance;
    if (Number.isNaN(beyond)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, beyond);
  }
  return worst;
}

/** A tensor's elements as numbers; strings as their bytes. */
export function numbersOf({ dataType, data }: Tensor): readonly number[] {
  if (dataType === "string") return [...data];
  const copy = Uint8Array.from(data).buffer;
  if (dataType === "float16") return Array.from(new Float16Array(copy));
  return Array.from(new arrays[dataType](copy) as ArrayLike<number | bigint>, Number);
}

export function floats(values: readonly number[], shape: readonly number[]): Tensor {
  return { dataType: "float32", shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

/** Zeros of any type but strings. */
export function zeros(dataType: DataType, shape: readonly number[]): Tensor {
  if (elementBytes[dataType] === 0) throw new TypeError("no zeros of strings");
  return { dataType, shape, data: new Uint8Array(tensorBytes(dataType, shape)) };
}

function stringsOf(data: Uint8Array): string[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const strings: string[] = [];
  for (let offset = 0; offset < data.length; ) {
    const length = view.getUint32(offset, true);
    strings.push(new TextDecoder().decode(data.subarray(offset + 4, offset + 4 + length)));
    offset += 4 + length;
  }
  return strings;
}

function packed(strings: readonly string[]): Uint8Array {
  const parts = strings.flatMap((text) => {
    const encoded = new TextEncoder().encode(text);
    return [...new Uint8Array(new Uint32Array([encoded.length]).buffer), ...encoded];
  });
  return Uint8Array.from(parts);
}
