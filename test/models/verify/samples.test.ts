import { describe, expect, test } from "vitest";
import type { DataType, Tensor } from "../../../kernels/tensor.ts";
import {
  edgeDomains,
  sampleDomains,
  sampleTensor,
  specialDomains,
  stressDomain,
} from "../../../models/verify/samples.ts";

const domains = [...sampleDomains, stressDomain, ...edgeDomains, ...specialDomains];
const [small] = sampleDomains;

function integers(tensor: Tensor): bigint[] {
  const { buffer } = tensor.data.slice();
  const views: Partial<Record<DataType, (buffer: ArrayBuffer) => Iterable<number | bigint>>> = {
    int8: (b) => new Int8Array(b),
    uint8: (b) => new Uint8Array(b),
    int32: (b) => new Int32Array(b),
    uint32: (b) => new Uint32Array(b),
    int64: (b) => new BigInt64Array(b),
    uint64: (b) => new BigUint64Array(b),
  };
  return Array.from(views[tensor.dataType]!(buffer), BigInt);
}

describe("sampleTensor()", () => {
  test("gives the same values for the same seed, and others for another", () => {
    const spec = { name: "x", dataType: "float32", shape: [64] } as const;
    for (const domain of domains) {
      expect(sampleTensor(spec, domain, 5)).toEqual(sampleTensor(spec, domain, 5));
      expect(sampleTensor(spec, domain, 5)).not.toEqual(sampleTensor(spec, domain, 6));
    }
  });

  test("draws both ends of an integer range, and nothing outside of it", () => {
    const drawn = integers(sampleTensor({ name: "x", dataType: "int32", shape: [2000] }, small!, 1));
    expect([...new Set(drawn)].sort()).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n]);
  });

  test("draws values that the type holds: no sign where there is none", () => {
    for (const dataType of ["uint8", "uint32", "uint64"] as const) {
      for (const domain of edgeDomains) {
        const { oneOf } = domain.integer as { oneOf?: readonly number[] };
        const drawn = integers(sampleTensor({ name: "x", dataType, shape: [500] }, domain, 1));
        if (oneOf === undefined) continue;
        const allowed = oneOf.filter((value) => value >= 0).map(BigInt);
        expect(drawn.every((value) => allowed.includes(value))).toBe(true);
      }
    }
  });

  test("reaches beyond 32 bits where the type does", () => {
    const wide = edgeDomains.at(-1)!;
    const drawn = integers(sampleTensor({ name: "x", dataType: "int64", shape: [200] }, wide, 1));
    expect(drawn).toContain(-(2n ** 40n));
    expect(drawn).toContain(2n ** 53n - 1n);
  });
});
