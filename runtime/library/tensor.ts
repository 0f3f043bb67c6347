/**
 * Tensors in the handler's memory: made and checked. What functions on the device take and give is described in
 * types.ts.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { parseShape } from "../../kernels/parse-shape.ts";
import { elementCount } from "../../kernels/tensor.ts";
import { arrayTypes, canHold, dataTypeOf, type NumericType, type TypedArray } from "./typed-arrays.ts";

/** Numbers with a type and a shape, row-major. */
export interface HostTensor<Data extends TypedArray = TypedArray> {
  readonly dataType: NumericType;
  readonly shape: readonly number[];
  readonly data: Data;
}

/**
 * A tensor of these elements.
 * @param data a typed array, which is not copied, or plain numbers.
 * @param shape sizes, the outermost first; their product is the number of elements.
 * @param dataType left out: what the array holds; float32 for plain numbers. A Uint8Array may be `bool`, a
 * Uint16Array the bits of `float16`.
 * @throws DawnletError INVALID_ARGUMENT where data, shape and type do not fit each other.
 */
export function tensor<Data extends TypedArray>(
  data: Data,
  shape: readonly number[],
  dataType?: NumericType,
): HostTensor<Data>;
export function tensor(data: readonly number[], shape: readonly number[], dataType?: NumericType): HostTensor;
export function tensor(
  data: TypedArray | readonly number[],
  shape: readonly number[],
  dataType?: NumericType,
): HostTensor {
  const elements = isNumbers(data) ? toArray(data, dataType ?? "float32") : data;
  const natural = dataTypeOf(elements);
  if (natural === undefined) throw failure("its data is neither a typed array nor a list of numbers");
  const stated = dataType ?? natural;
  if (!canHold(natural, stated)) throw failure(`its data is an array of ${natural}: expected ${stated}`);
  const sizes = parseShape("tensor()", shape);
  if (elementCount(sizes) !== elements.length)
    throw failure(`it has ${elements.length} elements: its shape [${sizes}] needs ${elementCount(sizes)}`);
  return { dataType: stated, shape: sizes, data: elements };
}

/** Typed arrays are no arrays to `Array.isArray`, whatever the types say. */
function isNumbers(data: TypedArray | readonly number[]): data is readonly number[] {
  return Array.isArray(data);
}

function toArray(numbers: readonly number[], dataType: NumericType): TypedArray {
  if (!Object.hasOwn(arrayTypes, dataType)) throw failure(`its type '${dataType}' is none of numbers`);
  if (dataType !== "int64" && dataType !== "uint64") return arrayTypes[dataType].from(numbers);
  const fraction = numbers.find((value) => !Number.isInteger(value));
  if (fraction !== undefined) throw failure(`it has the element ${fraction}: ${dataType} are whole numbers`);
  const integers = numbers.map(BigInt);
  return dataType === "int64" ? BigInt64Array.from(integers) : BigUint64Array.from(integers);
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot make a tensor as ${what}`);
}
