/**
 * Whole architectures of ONNX's backend cases (`light`: their weights come from the model itself), deployed and called
 * over HTTP, where DAWNLET_SLOW_TESTS=all asks for it.
 */
import { describe, expect, test } from "vitest";
import { onlyIfAsked } from "../left-out.ts";
import { backendCases, missingFiles } from "../models/onnx/shared-files.ts";
import { runBackendCase } from "./backend-case.ts";
import { gatewayFor } from "./running-gateway.ts";

const caseMs = 1_200_000;
const isLeftOut = onlyIfAsked(
  "ONNX's light models",
  "a software adapter takes one to three minutes for each",
);

describe.skipIf(missingFiles !== undefined || isLeftOut)("ONNX's light models", () => {
  const cases = missingFiles === undefined ? backendCases().filter(({ inputs }) => inputs === undefined) : [];
  const server = gatewayFor("all tests");

  for (const one of cases)
    test(`${one.name} is recorded and gives ONNX's answer`, { timeout: caseMs }, async () => {
      const { outcome, deploySeconds } = await runBackendCase(server, one);
      console.info(`${one.name}: ${deploySeconds.toFixed(0)} s to deploy`);
      expect(outcome).toBe("recorded");
    });
});
