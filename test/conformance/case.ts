/**
 * What the conformance suite consists of, as plain data: cases (a Program, inputs, expected outputs) and the bits
 * that Dawn gave for them. Checks, which are code, are in checks/.
 */
import type { Program } from "../../kernels/program/program.ts";

export interface ConformanceCase {
  readonly name: string;
  readonly program: Program;
  readonly weights: ReadonlyMap<string, Uint8Array>;
  /** As `LoadOptions`; where it is false, the suite fills the activation memory with garbage before each run. */
  readonly writesBeforeReads: boolean;
  readonly runs: readonly CaseRun[];
}

export interface CaseRun {
  readonly inputs: readonly Uint8Array[];
  /** By position in `Program.outputs`. */
  readonly expected: readonly ExpectedOutput[];
}

/** What an output should be, by rule or by a reference on the CPU. */
export interface ExpectedOutput {
  readonly bytes: Uint8Array;
  readonly tolerance: Tolerance;
}

export type Tolerance =
  | { readonly type: "exact" }
  /** float32 elements whose difference is at most `absolute` plus `relative` times the expected value. */
  | { readonly type: "close"; readonly absolute: number; readonly relative: number }
  /** Bytes that differ by at most `levels`, but for a fraction of them. */
  | { readonly type: "levels"; readonly levels: number; readonly exceptFraction: number };

export const exactly: Tolerance = { type: "exact" };

/** What one device gave for the cases. Devices of the same kind must give the same bits. */
export interface Reference {
  /** As `adapterKind` says. */
  readonly kind: string;
  /** Outputs by case name, run and position. */
  readonly outputs: ReadonlyMap<string, ReadonlyArray<readonly Uint8Array[]>>;
}

export interface Suite {
  readonly cases: readonly ConformanceCase[];
  readonly reference: Reference;
}

/** @returns why the output is not what is expected, undefined where it is. */
export function disagreement(actual: Uint8Array, { bytes, tolerance }: ExpectedOutput): string | undefined {
  if (actual.byteLength !== bytes.byteLength)
    return `it has ${actual.byteLength} bytes: expected ${bytes.byteLength}`;
  switch (tolerance.type) {
    case "exact": {
      const at = actual.findIndex((byte, i) => byte !== bytes[i]);
      return at < 0 ? undefined : `byte ${at} is ${actual[at]}: expected ${bytes[at]}`;
    }
    case "close": {
      const [values, wanted] = [floatsOf(actual), floatsOf(bytes)];
      const { absolute, relative } = tolerance;
      // Written so that NaN is a disagreement.
      const at = values.findIndex(
        (value, i) => !(Math.abs(value - wanted[i]!) <= absolute + relative * Math.abs(wanted[i]!)),
      );
      return at < 0 ? undefined : `element ${at} is ${values[at]}: expected ${wanted[at]}`;
    }
    case "levels": {
      const far = actual.filter((byte, i) => Math.abs(byte - bytes[i]!) > tolerance.levels).length;
      const isFew = far <= tolerance.exceptFraction * bytes.byteLength;
      return isFew
        ? undefined
        : `${far} of ${bytes.byteLength} bytes are off by more than ${tolerance.levels}`;
    }
    default:
      return tolerance satisfies never;
  }
}

export function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}
