/**
 * ONNX's own test cases, and odd small models, deployed and called over HTTP: each answer is right or the model is
 * refused in words, and the server lives on. Prints how many became Programs, and why the others did not.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TensorSignature, Tensors } from "../../kernels/tensor.ts";
import { backendCases, missingFiles } from "../models/onnx/shared-files.ts";
import { oddModels } from "./odd-models.ts";
import { dataFolder, type RunningGateway, startGateway } from "./running-gateway.ts";
import { ramp } from "./tensors.ts";
import { disagreement } from "./tolerance.ts";

/** Of the cases beside the project; on a software adapter a `light` one takes minutes. */
const leastRecorded = 34;
const mostRefused = 2;
const caseMs = 60_000;
const lightCaseMs = 900_000;

let folder: Awaited<ReturnType<typeof dataFolder>>;
let server: RunningGateway;

beforeAll(async () => {
  folder = await dataFolder();
  server = await startGateway(folder.path);
});

afterAll(async () => {
  await server.close();
  await folder[Symbol.asyncDispose]();
});

/** The signature's names go with the values by position. */
function named(signature: readonly TensorSignature[], values: readonly Tensors[string][]): Tensors {
  expect(values.length).toBe(signature.length);
  return Object.fromEntries(signature.map(({ name }, i) => [name, values[i]!]));
}

describe.skipIf(missingFiles !== undefined)("ONNX's backend cases", () => {
  /** Names by what became of them: `recorded`, `refused`, or the fallback's reason. */
  const outcomes = new Map<string, string[]>();
  let deploySeconds = 0;
  let slowest = { name: "", seconds: 0 };

  function note(outcome: string, name: string): void {
    outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), name]);
  }

  for (const { name, model, inputs, outputs } of backendCases()) {
    const timeout = inputs === undefined ? lightCaseMs : caseMs;
    test(`${name} gives ONNX's answer or is refused with a reason`, { timeout }, async () => {
      const startedAt = performance.now();
      const deployed = await server.client.deploySlowly(name, model);
      const seconds = (performance.now() - startedAt) / 1000;
      deploySeconds += seconds;
      if (seconds > slowest.seconds) slowest = { name, seconds };
      if (deployed.error !== undefined) {
        expect(deployed.code).toBe("UNSUPPORTED_MODEL");
        note("refused", name);
        return;
      }
      const { signature } = deployed.body.function.current;
      const values = inputs?.map((read) => read()) ?? [ramp(signature.inputs[0]!.shape.map(Number))];
      const answer = await server.client.infer(name, named(signature.inputs, values));
      const expected = outputs.map((read) => read());
      for (const [i, output] of signature.outputs.entries())
        expect(disagreement(answer.get(output.name), expected[i]!)).toBeUndefined();
      const { engine } = (await server.client.status(name)).current;
      note(engine.type === "program" ? "recorded" : engine.reason, name);
    });
  }

  test("no fewer cases are recorded, and no more refused, than were once", () => {
    const total = [...outcomes.values()].flat().length;
    const lines = [...outcomes].map(([outcome, names]) => `${names.length} ${outcome}: ${names.join(" ")}`);
    const speed = `${(deploySeconds / total).toFixed(2)} s a deploy, ${slowest.seconds.toFixed(1)} s for ${slowest.name}`;
    console.info([`${total} cases of ONNX's, ${speed}`, ...lines].join("\n  "));
    expect(total).toBe(backendCases().length);
    expect(outcomes.get("recorded")?.length).toBeGreaterThanOrEqual(leastRecorded);
    expect(outcomes.get("refused")?.length ?? 0).toBeLessThanOrEqual(mostRefused);
  });
});

describe("odd models", () => {
  for (const { name, bytes, call, refused, code: expectedCode = "UNSUPPORTED_MODEL" } of oddModels) {
    if (call === undefined)
      test(`${name} is refused in words`, async () => {
        const { status, code, error } = await server.client.deploy(name, bytes);
        expect(code).toBe(expectedCode);
        expect(status).toBe(expectedCode === "INVALID_MODEL" ? 400 : 422);
        expect(error).toMatch(refused ?? "a reason");
      });
    else
      test(`${name} gives the right answer`, async () => {
        const { current } = await server.client.mustDeploy(name, bytes);
        const answer = await server.client.infer(name, call.inputs);
        expect([...answer.keys()].sort()).toEqual(Object.keys(call.outputs).sort());
        for (const [output, expected] of Object.entries(call.outputs))
          expect(disagreement(answer.get(output), expected)).toBeUndefined();
        expect(current.name).toBe(name);
      });
  }

  test("one device process and few compiler processes served all of them", async () => {
    expect(server.started.filter((kind) => kind === "device")).toHaveLength(1);
    const compilers = server.started.filter((kind) => kind === "compiler").length;
    console.info(`${compilers} compiler processes for all of them`);
    expect(compilers).toBeLessThan(oddModels.length / 4);
  });
});
