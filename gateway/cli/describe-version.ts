/** Deployed versions in words. */
import type { TensorSignature } from "../../kernels/tensor.ts";
import { formatError } from "../text.ts";
import type { VersionReply } from "./replies.ts";

/** `x float32 [n, 3]` */
export function tensorText({ name, dataType, shape }: TensorSignature): string {
  return `${name} ${dataType} [${shape.join(", ")}]`;
}

/** `a float32 = 2 (0 … 4)` */
export function parameterText(parameter: VersionReply["signature"]["parameters"][number]): string {
  const { name, dataType, default: fallback, minimum, maximum } = parameter;
  const range =
    minimum === undefined && maximum === undefined ? "" : ` (${minimum ?? "−∞"} … ${maximum ?? "∞"})`;
  return `${name} ${dataType}${fallback === undefined ? "" : ` = ${fallback}`}${range}`;
}

/** One word for a table. */
export function engineWord({ engine, quarantine, damage }: VersionReply): string {
  if (quarantine !== undefined) return "quarantined";
  return damage === undefined ? engine.type : "damaged";
}

/** A sentence. */
export function engineText({ engine, kind, signature, quarantine, damage }: VersionReply): string {
  if (quarantine !== undefined)
    return `in quarantine since ${quarantine.since}, after ${quarantine.strikes} lost devices: ${quarantine.reason}`;
  if (damage !== undefined) return `damaged, noticed ${damage.since}: ${damage.reason}`;
  switch (engine.type) {
    case "fallback":
      return `fallback, an ONNX Runtime session: ${engine.reason}`;
    case "program": {
      if (engine.maxAbsoluteError !== undefined) {
        const error = formatError(engine.maxAbsoluteError);
        return `program on the GPU; largest difference from ONNX Runtime's CPU provider: ${error}`;
      }
      const isOpen = kind === "onnx" && signature.inputs.some(({ shape }) => shape.some(isFree));
      return isOpen
        ? "program on the GPU, compiled and verified when a call first brings its sizes"
        : "program on the GPU";
    }
    case "handler":
      return "code of its own, in processes of its own; it answers requests";
    default:
      return engine satisfies never;
  }
}

/** Whether calls can run together, in a sentence. */
export function batchingText(batching: NonNullable<VersionReply["batching"]>): string {
  switch (batching.type) {
    case "untried":
      return `up to ${batching.maxRows} rows a run, if compiling one shows that rows do not change each other`;
    case "proven": {
      const { maxRows, sizes } = batching;
      return `up to ${maxRows} rows a run${sizes === undefined ? "" : `; compiled for ${sizes.join(", ")}`}`;
    }
    case "none":
      return `none: ${batching.reason}`;
    default:
      return batching satisfies never;
  }
}

/** `x float32 [n] → y float32 [n]` */
export function signatureText({ kind, signature: { inputs, outputs } }: VersionReply): string {
  if (kind === "handler") return "HTTP request → response";
  return `${inputs.map(tensorText).join(", ") || "none"} → ${outputs.map(tensorText).join(", ")}`;
}

/** `env.twice = double@3` */
export function usesText(uses: NonNullable<VersionReply["handler"]>["uses"]): readonly string[] {
  return Object.entries(uses).map(
    ([key, { name, version }]) => `env.${key} = ${name}${version === undefined ? "" : `@${version}`}`,
  );
}

function isFree(dimension: number | string): boolean {
  return typeof dimension === "string";
}
