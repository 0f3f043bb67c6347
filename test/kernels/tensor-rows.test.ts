import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DataType, elementBytes, type Tensor, tensorBytes } from "../../kernels/tensor.ts";
import { eachRow, joinRows, joinTensors, rowBytesOf, splitRows } from "../../kernels/tensor-rows.ts";

const sized = (Object.keys(elementBytes) as DataType[]).filter((type) => elementBytes[type] > 0);

const dataType = fc.constantFrom(...sized);
const restOfShape = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
const counts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });

/** Tensors of these rows with random bytes. */
const tensors = fc.tuple(dataType, restOfShape, counts).chain(([type, rest, rows]) =>
  fc.tuple(
    ...rows.map((count) => {
      const shape = [count, ...rest];
      const length = tensorBytes(type, shape);
      return fc
        .uint8Array({ minLength: length, maxLength: length })
        .map((data): Tensor => ({ dataType: type, shape, data: new Uint8Array(data) }));
    }),
  ),
);

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("joining and splitting rows", () => {
  test("gives each part its own bytes back, of every data type", () => {
    fc.assert(
      fc.property(tensors, fc.nat(4), (all, more) => {
        const rowBytes = rowBytesOf(all[0]!);
        const shares = all.map(({ shape }) => shape[0]!);
        const rows = shares.reduce((sum, count) => sum + count, 0) + more;
        const joined = joinRows(
          all.map(({ data }) => data),
          rowBytes,
          rows,
        );
        expect(joined.byteLength).toBe(rows * rowBytes);
        expect(splitRows(joined, rowBytes, shares)).toEqual(all.map(({ data }) => data));
      }),
    );
  });

  test("fills a run up with the last row", () => {
    expect(joinRows([bytes(1, 2), bytes(3, 4, 5, 6)], 2, 5)).toEqual(bytes(1, 2, 3, 4, 5, 6, 5, 6, 5, 6));
    expect(joinRows([bytes(1, 2), bytes(3, 4, 5, 6)], 2, 3)).toEqual(bytes(1, 2, 3, 4, 5, 6));
  });

  test("gives each part memory that holds nothing else", () => {
    fc.assert(
      fc.property(tensors, (all) => {
        const whole = joinTensors(all);
        const shares = all.map(({ shape }) => shape[0]!);
        for (const given of [whole.data, Buffer.from(whole.data)]) {
          for (const part of splitRows(given, rowBytesOf(whole), shares)) {
            expect(part.buffer).not.toBe(given.buffer);
            expect(part.buffer.byteLength).toBe(part.byteLength);
          }
        }
      }),
    );
  });

  test("takes views apart without what lies around them", () => {
    const around = bytes(9, 1, 2, 3, 4, 9);
    expect(splitRows(around.subarray(1, 5), 2, [1, 1])).toEqual([bytes(1, 2), bytes(3, 4)]);
  });

  test("refuses no rows, no parts, too many and broken ones", () => {
    expect(joinRows([bytes(1, 2)], 2, 1)).toEqual(bytes(1, 2));
    expect(() => joinRows([bytes()], 2, 1)).toThrow("0 bytes are no rows of 2 bytes");
    expect(() => joinRows([bytes(1, 2), bytes()], 2, 2)).toThrow(RangeError);
    expect(() => joinRows([], 2, 1)).toThrow("There is nothing to join");
    expect(() => joinRows([bytes(1, 2, 3)], 2, 2)).toThrow("3 bytes are no rows");
    expect(() => joinRows([bytes(1, 2, 3, 4)], 2, 1)).toThrow("more than 1 rows of 2 bytes");
    expect(() => joinRows([bytes(1)], 0, 1)).toThrow("only tensors of fixed size have rows");

    expect(splitRows(bytes(1, 2, 3, 4), 2, [1])).toEqual([bytes(1, 2)]);
    expect(() => splitRows(bytes(1, 2, 3, 4), 2, [1, 0])).toThrow("A part has 0 rows");
    expect(() => splitRows(bytes(1, 2, 3, 4), 2, [1, 2])).toThrow("fewer than 3 rows");
    expect(() => splitRows(bytes(1, 2, 3), 2, [1])).toThrow("3 bytes are no rows");
  });
});

describe("tensors", () => {
  test("join into one of all rows, and come apart row by row", () => {
    fc.assert(
      fc.property(tensors, (all) => {
        const whole = joinTensors(all);
        expect(whole.shape[0]).toBe(all.reduce((sum, { shape }) => sum + shape[0]!, 0));
        expect(eachRow(whole)).toEqual(all.flatMap(eachRow));
        expect(eachRow(whole).every(({ shape }) => shape[0] === 1)).toBe(true);
      }),
    );
  });

  test("of other types or other rows are not joined", () => {
    const of = (type: DataType, shape: readonly number[]): Tensor => ({
      dataType: type,
      shape,
      data: new Uint8Array(tensorBytes(type, shape)),
    });
    expect(joinTensors([of("int8", [1, 2]), of("int8", [3, 2])]).shape).toEqual([4, 2]);
    expect(() => joinTensors([of("int8", [1, 2]), of("int8", [1, 3])])).toThrow("no rows of one kind");
    expect(() => joinTensors([of("int8", [1, 2]), of("uint8", [1, 2])])).toThrow("no rows of one kind");
    expect(() => joinTensors([of("float32", []), of("float32", [])])).toThrow("no rows of one kind");
    expect(() => joinTensors([])).toThrow("There is nothing to join");
    expect(() => joinTensors([of("string", [1])])).toThrow("only tensors of fixed size");
  });
});
