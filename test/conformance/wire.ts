/** A suite as JSON, for pages and threads: bytes as base64. */
import { parseProgram } from "../../kernels/program/parse.ts";
import type { CaseRun, ConformanceCase, Suite } from "./case.ts";

const tag = "$bytes";

/** @returns UTF-8 text. */
export function encodeSuite({ cases, reference }: Suite): Uint8Array<ArrayBuffer> {
  const plain = {
    cases: cases.map(({ weights, ...rest }) => ({ ...rest, weights: [...weights] })),
    reference: { ...reference, outputs: [...reference.outputs] },
  };
  const text = JSON.stringify(plain, (_, value: unknown) =>
    value instanceof Uint8Array ? { [tag]: value.toBase64() } : value,
  );
  return new TextEncoder().encode(text);
}

export function decodeSuite(bytes: Uint8Array): Suite {
  const plain = JSON.parse(new TextDecoder().decode(bytes), (_, value: unknown) =>
    typeof value === "object" && value !== null && tag in value
      ? Uint8Array.fromBase64(String(value[tag]))
      : value,
  ) as {
    cases: Array<Omit<ConformanceCase, "weights"> & { weights: [string, Uint8Array][]; runs: CaseRun[] }>;
    reference: { kind: string; outputs: [string, Uint8Array[][]][] };
  };
  return {
    cases: plain.cases.map(({ weights, program, ...rest }) => ({
      ...rest,
      program: parseProgram(program),
      weights: new Map(weights),
    })),
    reference: { kind: plain.reference.kind, outputs: new Map(plain.reference.outputs) },
  };
}
