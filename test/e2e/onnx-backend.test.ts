/**
 * ONNX's own test cases, and odd small models, deployed and called over HTTP: each answer is right or the model is
 * refused in words, and the server lives on. Prints how many became Programs, and why the others did not.
 * The whole architectures among the cases are in onnx-light.test.ts.
 */
import { describe, expect, test } from "vitest";
import { onlyIfAsked, onlyUnderNode } from "../left-out.ts";
import { backendCases, missingFiles } from "../models/onnx/shared-files.ts";
import { type CaseOutcome, runBackendCase } from "./backend-case.ts";
import { oddModels } from "./odd-models.ts";
import { gatewayFor } from "./running-gateway.ts";
import { disagreement } from "./tolerance.ts";

/** What was measured on a software adapter without `shader-f16`; the slow case is one of them. */
const leastRecorded = 32;
const mostRefused = 2;
const caseMs = 120_000;

const server = gatewayFor("all tests");

const slow = "test_operator_conv";
const isSlowLeftOut = onlyIfAsked(
  slow,
  "on a software adapter a deploy of it takes as long as those of twenty others",
);
const isDeno = onlyUnderNode(
  "all but every eighth of ONNX's backend cases and of odd models",
  "the compiler and the kernels are the same",
);

describe.skipIf(missingFiles !== undefined)("ONNX's backend cases", () => {
  const all = missingFiles === undefined ? backendCases().filter(({ inputs }) => inputs !== undefined) : [];
  const cases = all.filter(
    ({ name }, index) => !(isDeno && index % 8 > 0) && !(isSlowLeftOut && name === slow),
  );
  const outcomes = new Map<string, CaseOutcome>();

  for (const one of cases)
    test(`${one.name} gives ONNX's answer or is refused with a reason`, { timeout: caseMs }, async () => {
      outcomes.set(one.name, await runBackendCase(server, one));
    });

  test("no fewer cases are recorded, and no more refused, than were once", () => {
    const groups = Map.groupBy(outcomes, ([, { outcome }]) => outcome);
    const lines = [...groups].map(([outcome, members]) => {
      const names = members.map(([name]) => name.replace(/^test_(operator_)?/, ""));
      return `${members.length} ${outcome}: ${names.join(" ")}`;
    });
    const seconds = [...outcomes.values()].map(({ deploySeconds }) => deploySeconds);
    const mean = seconds.reduce((sum, one) => sum + one, 0) / seconds.length;
    const speed = `${mean.toFixed(2)} s a deploy, ${Math.max(...seconds).toFixed(1)} s the slowest`;
    console.info([`${outcomes.size} cases of ONNX's, ${speed}`, ...lines].join("\n  "));
    expect(outcomes.size).toBe(cases.length);
    expect(groups.get("recorded")?.length).toBeGreaterThanOrEqual(
      isDeno ? 1 : leastRecorded - (isSlowLeftOut ? 1 : 0),
    );
    expect(groups.get("refused")?.length ?? 0).toBeLessThanOrEqual(mostRefused);
  });
});

describe("odd models", () => {
  const tried = oddModels.filter((_, index) => !isDeno || index % 8 === 0);
  for (const { name, bytes, call, refused, code: expectedCode = "UNSUPPORTED_MODEL" } of tried) {
    if (call === undefined)
      test(`${name} is refused in words`, async () => {
        const { status, code, error } = await server.client.deploy(name, bytes);
        expect(code).toBe(expectedCode);
        expect(status).toBe(expectedCode === "INVALID_MODEL" ? 400 : 422);
        expect(error).toMatch(refused ?? "a reason");
      });
    else
      test(`${name} gives the right answer`, async () => {
        await server.client.mustDeploy(name, bytes);
        const answer = await server.client.infer(name, call.inputs);
        expect([...answer.keys()].sort()).toEqual(Object.keys(call.outputs).sort());
        for (const [output, expected] of Object.entries(call.outputs))
          expect(disagreement(answer.get(output), expected)).toBeUndefined();
      });
  }

  test("one device process and few compiler processes served all of them", () => {
    const count = (kind: string) => server.started.filter((one) => one === kind).length;
    expect(count("device")).toBe(1);
    expect(count("compiler")).toBeGreaterThan(0);
    expect(count("compiler")).toBeLessThan(Math.max(2, tried.length / 4));
  });
});
