/**
 * Tensors joined along their first axis and taken apart again: what a batch is made of. Bytes only, in little-endian
 * row-major order, where a row is one index of axis 0. Which tensors belong together is the caller's matter.
 */
import { elementCount, type Tensor, tensorBytes } from "./tensor.ts";

/**
 * The bytes of several tensors, one after another; then the last row again until there are `rows`: a value that the
 * function has taken before.
 * @param rowBytes of one row, the same for all.
 * @throws RangeError for parts without rows, parts that are no whole rows, and more than `rows` in all.
 */
export function joinRows(
  parts: readonly Uint8Array[],
  rowBytes: number,
  rows: number,
): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(rows * rowBytes);
  let end = 0;
  for (const part of parts) {
    requireRows(part.byteLength, rowBytes);
    if (end + part.byteLength > joined.byteLength)
      throw new RangeError(`The parts have more than ${rows} rows of ${rowBytes} bytes`);
    joined.set(part, end);
    end += part.byteLength;
  }
  if (end === 0) throw new RangeError("There is nothing to join");
  for (; end < joined.byteLength; end += rowBytes) joined.copyWithin(end, end - rowBytes, end);
  return joined;
}

/**
 * The first rows for the first count, the next for the second, and so on; what is left over is dropped. Each result has
 * memory of its own: whoever gets one cannot reach the others.
 * @throws RangeError for a count below 1, and where there are not enough rows.
 */
export function splitRows(
  bytes: Uint8Array,
  rowBytes: number,
  counts: readonly number[],
): Uint8Array<ArrayBuffer>[] {
  requireRows(bytes.byteLength, rowBytes);
  let from = 0;
  return counts.map((count) => {
    if (!Number.isSafeInteger(count) || count < 1) throw new RangeError(`A part has ${count} rows`);
    const to = from + count * rowBytes;
    if (to > bytes.byteLength)
      throw new RangeError(`There are fewer than ${to / rowBytes} rows of ${rowBytes} bytes`);
    // A copy by construction: `slice` of a Node Buffer is none.
    const part = new Uint8Array(bytes.subarray(from, to));
    from = to;
    return part;
  });
}

/** Tensors of one data type whose shapes differ in axis 0 at most. @throws RangeError as `joinRows`, and where they differ. */
export function joinTensors(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new RangeError("There is nothing to join");
  const { dataType, shape } = first;
  const rest = `${dataType} ${shape.slice(1)}`;
  let rows = 0;
  for (const one of tensors) {
    if (`${one.dataType} ${one.shape.slice(1)}` !== rest || one.shape.length === 0)
      throw new RangeError(`Tensors of [${shape}] and [${one.shape}] have no rows of one kind`);
    rows += one.shape[0]!;
  }
  const parts = tensors.map(({ data }) => data);
  return { dataType, shape: [rows, ...shape.slice(1)], data: joinRows(parts, rowBytesOf(first), rows) };
}

/** The rows of a tensor one by one, as tensors of one row. @throws RangeError as `splitRows`. */
export function eachRow(tensor: Tensor): Tensor[] {
  const { dataType, shape, data } = tensor;
  const [rows = 0, ...rest] = shape;
  const parts = splitRows(data, rowBytesOf(tensor), new Array<number>(rows).fill(1));
  return parts.map((part) => ({ dataType, shape: [1, ...rest], data: part }));
}

/** Bytes of one row of a tensor of that shape; 0 for strings and where a row has no elements. */
export function rowBytesOf({ dataType, shape }: Pick<Tensor, "dataType" | "shape">): number {
  return tensorBytes(dataType, [elementCount(shape.slice(1))]);
}

function requireRows(sizeBytes: number, rowBytes: number): void {
  if (!Number.isSafeInteger(rowBytes) || rowBytes < 1)
    throw new RangeError(`A row has ${rowBytes} bytes: only tensors of fixed size have rows`);
  if (sizeBytes === 0 || sizeBytes % rowBytes !== 0)
    throw new RangeError(`${sizeBytes} bytes are no rows of ${rowBytes} bytes`);
}
