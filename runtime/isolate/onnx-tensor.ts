/**
 * Tensors as code for ONNX Runtime knows them (onnxruntime-common), made of numbers, or given by a session and then on the
 * device until they are read. No strings, images and textures.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { type DataType, elementCount } from "../../kernels/tensor.ts";
import { dataTypeOf, type NumericType, type TypedArray, toTypedArray } from "../library/typed-arrays.ts";
import type { DeviceTensor, TensorData } from "../library/types.ts";
import { IsolateTensor, plainTensor } from "./tensors.ts";

export type OnnxLocation = "cpu" | "gpu-buffer" | "none";

export class OnnxTensor {
  readonly type: NumericType;
  readonly dims: readonly number[];
  readonly size: number;
  #data: TypedArray | undefined;
  #device: DeviceTensor | undefined;

  /** `new Tensor(type, data, dims?)` or `new Tensor(data, dims?)`; or of what a session gave. */
  constructor(...args: readonly unknown[]) {
    const [first, second, third] = args;
    if (first instanceof IsolateTensor) {
      this.type = first.dataType;
      this.dims = [...first.shape];
      this.size = first.size;
      this.#device = first;
      return;
    }
    const isTyped = typeof first === "string";
    const { type, data } = isTyped ? statedData(first as DataType, second) : plainData(first);
    this.type = type;
    this.dims = dimsOf(isTyped ? third : second, data.length);
    this.size = elementCount(this.dims);
    this.#data = data;
    if (this.size !== data.length)
      throw new Error(
        `A tensor of dims [${this.dims}] has ${this.size} elements: its data has ${data.length}`,
      );
  }

  static fromPinnedBuffer(type: string, data: unknown, dims?: readonly number[]): OnnxTensor {
    return new OnnxTensor(type, data, dims);
  }

  static fromImage(): never {
    return unsupported("an image: decodeImage and imageToTensor of 'dawnlet' do that");
  }

  static fromGpuBuffer(): never {
    return unsupported("a GPUBuffer");
  }

  static fromTexture(): never {
    return unsupported("a texture");
  }

  static fromMLTensor(): never {
    return unsupported("an MLTensor");
  }

  get location(): OnnxLocation {
    if (this.#data !== undefined) return "cpu";
    return this.#device === undefined ? "none" : "gpu-buffer";
  }

  /** @throws Error where the data is on the device, or gone. */
  get data(): TypedArray {
    this.#checkAlive();
    if (this.#data !== undefined) return this.#data;
    throw new Error("The tensor's data is on the device: use 'await tensor.getData()'");
  }

  get gpuBuffer(): never {
    throw new Error("The tensor's data is in no GPUBuffer of this process: use 'await tensor.getData()'");
  }

  /** @param releaseData gives what is on the device back. */
  async getData(releaseData = false): Promise<TypedArray> {
    this.#checkAlive();
    if (this.#data === undefined) {
      const data = await this.#device!.data();
      this.#data = data;
    }
    // From now on it is the array that counts: it may be written to.
    if (releaseData || this.location === "cpu") this.#giveBack();
    return this.#data;
  }

  dispose(): void {
    this.#giveBack();
    this.#data = undefined;
  }

  reshape(dims: readonly number[]): OnnxTensor {
    return new OnnxTensor(this.type, this.data, dims);
  }

  /** What `run` of a function takes: what is on the device stays there. */
  get value(): DeviceTensor | TensorData {
    this.#checkAlive();
    return this.#device ?? { data: this.data, shape: this.dims, dataType: this.type };
  }

  #giveBack(): void {
    this.#device?.dispose();
    this.#device = undefined;
  }

  #checkAlive(): void {
    if (this.location === "none") throw new Error("The tensor is disposed.");
  }
}

/** @param value a tensor of ours, or one of a copy of onnxruntime-common that the handler brought along. */
export function feedValue(name: string, value: unknown): DeviceTensor | TensorData {
  if (value instanceof OnnxTensor) return value.value;
  if (typeof value === "object" && value !== null && "type" in value && "data" in value && "dims" in value)
    return new OnnxTensor(value.type, value.data, value.dims).value;
  throw new TypeError(`The feed '${name}' is no tensor`);
}

interface OwnData {
  readonly type: NumericType;
  readonly data: TypedArray;
}

function statedData(stated: DataType, data: unknown): OwnData {
  const plain = plainTensor(data as TypedArray, stated, "float32");
  const isItsArray = dataTypeOf(data) === plain.dataType && !(data instanceof Uint8ClampedArray);
  if (isItsArray || plain.dataType === "bool") {
    if (!Array.isArray(data)) return { type: plain.dataType, data: data as TypedArray };
  }
  return { type: plain.dataType, data: toTypedArray(plain.dataType, plain.bytes) };
}

function plainData(data: unknown): OwnData {
  if (!Array.isArray(data)) {
    const type = ArrayBuffer.isView(data) ? dataTypeOf(data) : undefined;
    if (type !== undefined) return statedData(type, data);
    throw new TypeError("The data of a tensor is a typed array, or a list with its type stated");
  }
  if (data.length > 0 && data.every((value) => typeof value === "boolean")) return statedData("bool", data);
  throw new TypeError("The type of a tensor of a list must be stated: new Tensor('float32', [1, 2, 3])");
}

function dimsOf(dims: unknown, length: number): readonly number[] {
  if (dims === undefined) return [length];
  if (Array.isArray(dims) && dims.every((size) => Number.isSafeInteger(size) && size >= 0)) return [...dims];
  throw new TypeError("A tensor's dims must be a list of whole numbers");
}

function unsupported(what: string): never {
  throw new DawnletError("UNSUPPORTED", `Cannot make a tensor of ${what}`);
}
