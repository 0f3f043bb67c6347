/** Files that are damaged in ways that a property test draws: bytes changed, the end cut off, parts repeated. */
import fc from "fast-check";
import { expect } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";

/** A file with a few changes; where there are none it may come as it is. */
export function damaged(whole: Uint8Array): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const flips = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 5 });
  // Most cuts lie beyond the end, and cut nothing.
  return fc
    .tuple(flips, fc.integer({ min: 0, max: whole.length * 3 }), fc.nat(whole.length), fc.nat(60))
    .map(([changes, cut, from, length]) => {
      const part = whole.subarray(from, from + length);
      const file = new Uint8Array([
        ...whole.subarray(0, from),
        ...part,
        ...part,
        ...whole.subarray(from + length),
      ]);
      for (const [at, byte] of changes) file[at] = byte;
      return file.slice(0, cut);
    });
}

/** Fails the test unless the work ends well or with an error that a client may see. */
export async function expectNoOtherError(work: () => unknown, codes: RegExp): Promise<void> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(DawnletError);
    expect((error as DawnletError).code).toMatch(codes);
  }
}
