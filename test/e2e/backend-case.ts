/** One of ONNX's test cases over HTTP: deployed, called, compared with the answer that ONNX states. */
import { expect } from "vitest";
import type { Tensor } from "../../kernels/tensor.ts";
import type { BackendCase } from "../models/onnx/shared-files.ts";
import type { RunningGateway } from "./running-gateway.ts";
import { ramp } from "./tensors.ts";
import { disagreement } from "./tolerance.ts";

export interface CaseOutcome {
  /** `recorded`, `refused`, or why the fallback serves it. */
  readonly outcome: string;
  readonly deploySeconds: number;
}

/** Fails the test for a wrong answer, and for a refusal that does not say what is unsupported. */
export async function runBackendCase(
  { client }: Pick<RunningGateway, "client">,
  { name, model, inputs, outputs }: BackendCase,
): Promise<CaseOutcome> {
  const startedAt = performance.now();
  const deployed = await client.deploySlowly(name, model);
  const deploySeconds = (performance.now() - startedAt) / 1000;
  if (deployed.error !== undefined) {
    expect(deployed.code).toBe("UNSUPPORTED_MODEL");
    return { outcome: "refused", deploySeconds };
  }
  const { signature } = deployed.body.function.current;
  const values = inputs?.map((read) => read()) ?? [ramp(signature.inputs[0]!.shape.map(Number))];
  expect(values).toHaveLength(signature.inputs.length);
  const named = Object.fromEntries(
    signature.inputs.map((input, i): [string, Tensor] => [input.name, values[i]!]),
  );
  const answer = await client.infer(name, named);
  expect(signature.outputs).toHaveLength(outputs.length);
  for (const [i, output] of signature.outputs.entries())
    expect(disagreement(answer.get(output.name), outputs[i]!())).toBeUndefined();
  const { engine } = (await client.status(name)).current;
  return { outcome: engine.type === "fallback" ? engine.reason : "recorded", deploySeconds };
}
