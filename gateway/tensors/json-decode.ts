/**
 * Tensor data in JSON to bytes: flat, nested as the shape says, or flat from some level on.
 *
 * Numbers that JSON lacks come as the strings "NaN", "Infinity" and "-Infinity" (as in protobuf's JSON).
 * 64-bit integers come as numbers, as `bigint` (see json-text.ts) or as decimal strings, never rounded.
 * FP16 is refused: its clients disagree about what a JSON number means, the binary forms are exact.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { encodeStrings } from "../../kernels/strings.ts";
import { type DataType, elementCount } from "../../kernels/tensor.ts";

/**
 * Bytes of a tensor. Nothing is allocated before the data was found to have as many elements as the shape.
 * @throws DawnletError INVALID_ARGUMENT naming the input and the position of the first bad element.
 */
export function decodeJson(
  input: string,
  dataType: DataType,
  shape: readonly number[],
  data: unknown,
): Uint8Array {
  const fail: Fail = (what) => {
    throw new DawnletError("INVALID_ARGUMENT", `Cannot use input '${input}' as ${what}`);
  };
  if (!Array.isArray(data)) return fail("its data is no list");
  checkNesting(data, shape, 0, fail);
  const count = elementCount(shape);
  switch (dataType) {
    case "float32":
      return fill(new Float32Array(count), data, shape, (items, target, at) =>
        fillFloats(items, target, at, fail),
      );
    case "float64":
      return fill(new Float64Array(count), data, shape, (items, target, at) =>
        fillFloats(items, target, at, fail),
      );
    case "int8":
      return fill(new Int8Array(count), data, shape, integers(-128, 127, dataType, fail));
    case "int16":
      return fill(new Int16Array(count), data, shape, integers(-32768, 32767, dataType, fail));
    case "int32":
      return fill(new Int32Array(count), data, shape, integers(-2147483648, 2147483647, dataType, fail));
    case "uint8":
      return fill(new Uint8Array(count), data, shape, integers(0, 255, dataType, fail));
    case "uint16":
      return fill(new Uint16Array(count), data, shape, integers(0, 65535, dataType, fail));
    case "uint32":
      return fill(new Uint32Array(count), data, shape, integers(0, 4294967295, dataType, fail));
    case "int64":
      return fill(
        new BigInt64Array(count),
        data,
        shape,
        bigIntegers(-(2n ** 63n), 2n ** 63n - 1n, dataType, fail),
      );
    case "uint64":
      return fill(new BigUint64Array(count), data, shape, bigIntegers(0n, 2n ** 64n - 1n, dataType, fail));
    case "bool":
      return fill(new Uint8Array(count), data, shape, (items, target, at) =>
        fillBooleans(items, target, at, fail),
      );
    case "string":
      return decodeStrings(count, data, shape, fail);
    case "float16":
      return fail("it is FP16, which has no JSON form: send its data in binary");
    default:
      return dataType satisfies never;
  }
}

type Fail = (what: string) => never;

/** Writes the items of one innermost list into `target` from `at` on. */
type FillRow<T> = (items: readonly unknown[], target: T, at: number) => void;

function checkNesting(data: readonly unknown[], shape: readonly number[], level: number, fail: Fail): void {
  const isNested = Array.isArray(data[0]);
  const expected = isNested ? shape[level] : elementCount(shape.slice(level));
  if (isNested && level + 1 >= shape.length) fail(`its data nests deeper than its shape [${shape}]`);
  if (data.length !== expected) {
    const where = level === 0 ? "its data has" : `a list at level ${level + 1} of its data has`;
    fail(`${where} ${data.length} elements: its shape [${shape}] needs ${expected}`);
  }
  if (!isNested) return;
  for (const item of data) {
    if (!Array.isArray(item)) fail("its data mixes lists and values on one level");
    checkNesting(item, shape, level + 1, fail);
  }
}

function fill<T extends ArrayBufferView>(
  target: T,
  data: readonly unknown[],
  shape: readonly number[],
  fillRow: FillRow<T>,
): Uint8Array {
  forEachRow(data, 0, shape, fillRow, target);
  return new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
}

/** Visits innermost lists in order; answers the position after the last element. */
function forEachRow<T>(
  data: readonly unknown[],
  at: number,
  shape: readonly number[],
  fillRow: FillRow<T>,
  target: T,
): number {
  if (!Array.isArray(data[0])) {
    fillRow(data, target, at);
    return at + data.length;
  }
  let next = at;
  for (const item of data) if (Array.isArray(item)) next = forEachRow(item, next, shape, fillRow, target);
  return next;
}

const nonFinite: ReadonlyMap<unknown, number> = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

function fillFloats(
  items: readonly unknown[],
  target: Float32Array | Float64Array,
  at: number,
  fail: Fail,
): void {
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (typeof item === "number") target[at + i] = item;
    else if (typeof item === "bigint") target[at + i] = Number(item);
    else target[at + i] = nonFinite.get(item) ?? fail(`${element(at + i, item)}: expected a number`);
  }
}

type SmallIntegers = Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;

function integers(minimum: number, maximum: number, dataType: DataType, fail: Fail): FillRow<SmallIntegers> {
  return (items, target, at) => {
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (typeof item !== "number" || !Number.isInteger(item) || item < minimum || item > maximum) {
        return fail(
          `${element(at + i, item)}: ${dataType} takes whole numbers from ${minimum} to ${maximum}`,
        );
      }
      target[at + i] = item;
    }
  };
}

function bigIntegers(
  minimum: bigint,
  maximum: bigint,
  dataType: DataType,
  fail: Fail,
): FillRow<BigInt64Array | BigUint64Array> {
  return (items, target, at) => {
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      const value = toBigInt(item);
      if (value === undefined && typeof item === "number" && Number.isInteger(item)) {
        fail(`${element(at + i, item)}, beyond what a JSON number holds exactly: send it as a string`);
      }
      if (value === undefined || value < minimum || value > maximum) {
        return fail(
          `${element(at + i, item)}: ${dataType} takes whole numbers from ${minimum} to ${maximum}`,
        );
      }
      target[at + i] = value;
    }
  };
}

function toBigInt(item: unknown): bigint | undefined {
  if (typeof item === "number") return Number.isSafeInteger(item) ? BigInt(item) : undefined;
  if (typeof item === "bigint") return item;
  // 20 digits hold every 64-bit integer; longer strings would only cost time.
  return typeof item === "string" && /^-?\d{1,20}$/.test(item) ? BigInt(item) : undefined;
}

function fillBooleans(items: readonly unknown[], target: Uint8Array, at: number, fail: Fail): void {
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (item === true || item === 1) target[at + i] = 1;
    else if (item !== false && item !== 0) fail(`${element(at + i, item)}: expected true or false`);
  }
}

function decodeStrings(
  count: number,
  data: readonly unknown[],
  shape: readonly number[],
  fail: Fail,
): Uint8Array {
  const texts = new Array<string>(count);
  forEachRow(
    data,
    0,
    shape,
    (items, target: string[], at) => {
      for (let i = 0; i < items.length; i++) {
        const item = items[i];
        if (typeof item !== "string") return fail(`${element(at + i, item)}: expected a string`);
        target[at + i] = item;
      }
    },
    texts,
  );
  return encodeStrings(texts);
}

/** Shows at most a few characters of what a client sent. */
function element(index: number, item: unknown): string {
  const text = typeof item === "bigint" ? String(item) : (JSON.stringify(item) ?? "missing");
  return `its element ${index} is ${text.length > 40 ? `${text.slice(0, 40)}…` : text}`;
}
