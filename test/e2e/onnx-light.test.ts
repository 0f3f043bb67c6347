/**
 * Whole architectures of ONNX's backend cases (`light`: their weights come from the model itself), deployed and called
 * over HTTP. On a software adapter each takes minutes.
 */
import process from "node:process";
import { describe, expect, test } from "vitest";
import { backendCases, missingFiles } from "../models/onnx/shared-files.ts";
import { runBackendCase } from "./backend-case.ts";
import { gatewayFor } from "./running-gateway.ts";

const caseMs = 1_200_000;
/** Three minutes on a software adapter: only where it is asked for. */
const slow = process.env.DAWNLET_LIGHT_MODELS === "all" ? [] : ["light_resnet50"];
for (const name of slow) console.info(`${name} is left out: set DAWNLET_LIGHT_MODELS=all to run it`);
/** The kernels of both runtimes are the same, and so are those minutes. */
const isDeno = "Deno" in globalThis;
if (isDeno)
  console.info("ONNX's light models are left out under Deno: they take minutes, and run under Node");

describe.skipIf(missingFiles !== undefined || isDeno)("ONNX's light models", () => {
  const cases = missingFiles === undefined ? backendCases().filter(({ inputs }) => inputs === undefined) : [];
  const server = gatewayFor("all tests");

  for (const one of cases)
    test.skipIf(slow.includes(one.name))(
      `${one.name} is recorded and gives ONNX's answer`,
      { timeout: caseMs },
      async () => {
        const { outcome, deploySeconds } = await runBackendCase(server, one);
        console.info(`${one.name}: ${deploySeconds.toFixed(0)} s to deploy`);
        expect(outcome).toBe("recorded");
      },
    );
});
