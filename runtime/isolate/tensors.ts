/** Tensors as a handler sees them: typed arrays with shapes, whose bytes may be elsewhere until they are read. */
import { DawnletError } from "../../kernels/errors.ts";
import { type DataType, elementCount } from "../../kernels/tensor.ts";
import {
  type ArrayTypes,
  arrayTypes,
  canHold,
  dataTypeOf,
  type NumericType,
  type TypedArray,
  toBytes,
  toTypedArray,
} from "../library/typed-arrays.ts";
import type { DeviceTensor } from "../library/types.ts";
import type { HeldTensors } from "./held-tensors.ts";

export class IsolateTensor implements DeviceTensor {
  readonly dataType: NumericType;
  readonly shape: readonly number[];
  readonly size: number;
  readonly #tensors: HeldTensors;
  readonly #held: number | undefined;
  #bytes: Promise<Uint8Array> | undefined;
  #isDisposed = false;

  /** @param value its bytes, or what the gateway calls it. @throws DawnletError UNSUPPORTED for strings. */
  constructor(
    dataType: DataType,
    shape: readonly number[],
    value: Uint8Array | number,
    tensors: HeldTensors,
  ) {
    this.dataType = numeric(dataType);
    this.shape = Object.freeze([...shape]);
    this.size = elementCount(shape);
    this.#tensors = tensors;
    if (typeof value === "number") {
      this.#held = value;
      tensors.watch(this, value);
    } else this.#bytes = Promise.resolve(value);
  }

  /** What the gateway calls it; undefined where its bytes came with it. */
  get held(): number | undefined {
    this.#checkAlive();
    return this.#held;
  }

  /** Not to be changed: others may get the same. */
  bytes(): Promise<Uint8Array> {
    this.#checkAlive();
    this.#bytes ??= this.#read();
    return this.#bytes;
  }

  async data(): Promise<ArrayTypes[NumericType]> {
    return toTypedArray(this.dataType, await this.bytes()) as ArrayTypes[NumericType];
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#bytes = undefined;
    if (this.#held !== undefined) this.#tensors.release(this.#held, this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #read(): Promise<Uint8Array> {
    try {
      return await this.#tensors.read(this.#held!);
    } catch (error) {
      // Another try may find the gateway less busy.
      this.#bytes = undefined;
      throw error;
    }
  }

  #checkAlive(): void {
    if (this.#isDisposed) throw new TypeError("The tensor was disposed of");
  }
}

/** Plain data as a function takes it: elements in their order. */
export interface PlainTensor {
  readonly dataType: NumericType;
  readonly bytes: Uint8Array;
  readonly elements: number;
}

/**
 * @param data a typed array, or numbers.
 * @param stated what it is to be. Left out: what the array is made for, or `wanted` where that may lie in it.
 * @throws TypeError where these are no elements of that type.
 */
export function plainTensor(
  data: TypedArray | readonly (number | bigint | boolean)[],
  stated: DataType | undefined,
  wanted: DataType,
): PlainTensor {
  if (Array.isArray(data)) {
    const dataType = numeric(stated ?? wanted);
    return { dataType, bytes: toBytes(fromNumbers(data, dataType)), elements: data.length };
  }
  const natural = dataTypeOf(data);
  if (natural === undefined)
    throw new TypeError("The data of a tensor is a typed array or a list of numbers");
  const array = data as TypedArray;
  const dataType = stated ?? (canHold(natural, wanted) ? wanted : natural);
  if (!canHold(natural, dataType)) throw new TypeError(`An array of ${natural} holds no ${dataType}`);
  return { dataType, bytes: toBytes(array), elements: array.length };
}

function fromNumbers(values: readonly (number | bigint | boolean)[], dataType: NumericType): TypedArray {
  if (dataType === "int64" || dataType === "uint64")
    return arrayTypes[dataType].from(values.map((value) => BigInt(value)));
  return arrayTypes[dataType].from(values.map(Number));
}

function numeric(dataType: DataType): NumericType {
  if (dataType !== "string") return dataType;
  throw new DawnletError("UNSUPPORTED", "Tensors of strings are not for handlers");
}
