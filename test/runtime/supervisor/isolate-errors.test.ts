/** Which errors of a handler's process reach clients as they are. */
import { expect, test } from "vitest";
import { DawnletError, type ErrorCode, errorCodes } from "../../../kernels/errors.ts";
import { strangersError } from "../../../runtime/supervisor/isolate-errors.ts";

const details = { isBlamed: true, limit: "cpuMs", digest: "x" };
const sent = (code: ErrorCode) => strangersError(new DawnletError(code, "why", { details }));

test("codes that only the gateway may say become FUNCTION_FAILED; the harmless pass; details never do", () => {
  const passing = (Object.keys(errorCodes) as ErrorCode[]).filter((code) => sent(code).code === code);
  expect(passing.sort()).toEqual([
    ...["FUNCTION_FAILED", "HOST_NOT_ALLOWED", "INVALID_ARGUMENT", "LIMIT_EXCEEDED", "NOT_FOUND"],
    ...["OUT_OF_MEMORY", "PAYLOAD_TOO_LARGE", "QUEUE_FULL", "UNAVAILABLE", "UNSUPPORTED"],
  ]);
  for (const code of Object.keys(errorCodes) as ErrorCode[]) {
    expect(sent(code)).toMatchObject({ message: "why", details: undefined });
    if (!passing.includes(code)) expect(sent(code).code).toBe("FUNCTION_FAILED");
  }
});

test("one more code may pass where it has a meaning", () => {
  const invalid = new DawnletError("INVALID_BUNDLE", "no handler");
  expect(strangersError(invalid, "INVALID_BUNDLE").code).toBe("INVALID_BUNDLE");
  expect(strangersError(invalid).code).toBe("FUNCTION_FAILED");
});

test("messages without end are cut", () => {
  expect(strangersError(new DawnletError("NOT_FOUND", "x".repeat(1e6))).message.length).toBe(64 * 1024);
});
