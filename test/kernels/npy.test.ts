import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DawnletError } from "../../kernels/errors.ts";
import { readNpy, writeNpy } from "../../kernels/npy.ts";
import { parseShape } from "../../kernels/parse-shape.ts";
import { type DataType, elementBytes, elementCount } from "../../kernels/tensor.ts";

/** Files as NumPy 2.4 wrote them. */
const numpyFiles = {
  matrix:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAMA/AAAAwAAAQEAAAIBAAACgQAAAwEA=",
  fortran:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGkyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAQAAgAFAAMABgA=",
  bigEndian:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmk0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAABAAAAAv////0=",
  version2:
    "k05VTVBZAgB0AAAAeydkZXNjcic6ICd8YjEnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAA==",
  version3Scalar:
    "k05VTVBZAwB0AAAAeydkZXNjcic6ICc8ZjgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAdQA==",
  strings:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPFUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphAAAAYgAAAGMAAAAAAAAA",
};

const file = (name: keyof typeof numpyFiles) => Uint8Array.fromBase64(numpyFiles[name]);

describe("`readNpy()`", () => {
  test("reads what NumPy writes", () => {
    const { dataType, shape, data } = readNpy(file("matrix"));
    expect([dataType, shape]).toEqual(["float32", [2, 3]]);
    expect([...new Float32Array(data.slice().buffer)]).toEqual([1.5, -2, 3, 4, 5, 6]);
  });

  test("rearranges Fortran order", () => {
    const { shape, data } = readNpy(file("fortran"));
    expect(shape).toEqual([2, 3]);
    expect([...new Int16Array(data.slice().buffer)]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("swaps big-endian data", () => {
    const { data } = readNpy(file("bigEndian"));
    expect([...new Int32Array(data.slice().buffer)]).toEqual([1, 2, -3]);
  });

  test("reads versions 2 and 3, booleans and scalars", () => {
    expect(readNpy(file("version2"))).toMatchObject({ dataType: "bool", shape: [2] });
    const scalar = readNpy(file("version3Scalar"));
    expect([scalar.shape, new Float64Array(scalar.data.slice().buffer)[0]]).toEqual([[], 7.25]);
  });

  test("refuses strings and files that are cut off or of another kind", () => {
    expect(() => readNpy(file("strings"))).toThrow(/its type is '<U2': expected one of f4, f2/);
    expect(() => readNpy(file("matrix").subarray(0, 150))).toThrow(/bytes of data/);
    expect(() => readNpy(file("matrix").subarray(0, 60))).toThrow(/ends within its header/);
    expect(() => readNpy(new TextEncoder().encode("not a NumPy file at all"))).toThrow(
      /does not begin like one/,
    );
  });

  test("never fails with anything but INVALID_ARGUMENT on damaged files", () => {
    const names = fc.constantFrom(...(Object.keys(numpyFiles) as Array<keyof typeof numpyFiles>));
    const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(names, changes, fc.nat(200), (name, flips, cut) => {
        const damaged = file(name);
        for (const [at, byte] of flips) damaged[at % damaged.length] = byte;
        try {
          const { dataType, shape, data } = readNpy(damaged.subarray(0, cut > 150 ? cut : damaged.length));
          expect(data.byteLength).toBe(elementCount(shape) * elementBytes[dataType]);
        } catch (error) {
          expect(error).toBeInstanceOf(DawnletError);
          expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("`writeNpy()`", () => {
  test("writes what NumPy writes, byte for byte", () => {
    expect(writeNpy(readNpy(file("matrix")))).toEqual(file("matrix"));
  });

  test("aligns the data to 64 bytes for every shape, and reading brings it back", () => {
    const types = (Object.keys(elementBytes) as DataType[]).filter((dataType) => dataType !== "string");
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.array(fc.nat(3), { maxLength: 12 }), (dataType, shape) => {
        const data = new Uint8Array(elementCount(shape) * elementBytes[dataType]).map((_, i) => i);
        const written = writeNpy({ dataType, shape, data });
        expect((written.byteLength - data.byteLength) % 64).toBe(0);
        expect(readNpy(written)).toEqual({ dataType, shape, data });
      }),
    );
  });

  test("refuses strings", () => {
    const tensor = { dataType: "string", shape: [0], data: new Uint8Array() } as const;
    expect(() => writeNpy(tensor)).toThrow(/strings: ask for JSON/);
  });
});

describe("`parseShape()`", () => {
  test("takes whole numbers from 0 on", () => {
    expect(parseShape("x", [])).toEqual([]);
    expect(parseShape("x", [0, 3])).toEqual([0, 3]);
  });

  test.each([
    ["a negative dimension", [2, -1], /has the dimension -1/],
    ["a fraction", [1.5], /has the dimension 1.5/],
    ["a string", ["3"], /has the dimension "3"/],
    ["no list", 3, /no list/],
    ["an overflowing product", [2 ** 32, 2 ** 32], /more elements than can be counted/],
    ["one that a zero hides", [0, 2 ** 32, 2 ** 32], /more elements than can be counted/],
    ["bytes that overflow", [2 ** 52], /more elements than can be counted/],
    ["33 dimensions", new Array(33).fill(1), /no list of at most 32/],
  ])("refuses %s", (_, shape, message) => {
    expect(() => parseShape("x", shape)).toThrow(message);
  });
});
