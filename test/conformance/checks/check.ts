/**
 * A check: what cannot be said as a Program with its outputs. Code over any DeviceApi, in any runtime, so it
 * fails by throwing and uses no test runner.
 */
import { DawnletError, type ErrorCode } from "../../../kernels/errors.ts";
import type { ProgramWithWeights } from "../../../kernels/program/program.ts";
import type { DeviceApi, DeviceMemory } from "../../../runtime/device/api.ts";

export interface Check {
  readonly name: string;
  /** Programs whose weights the device must be able to read; `run` gets them in the same order. */
  programs?(): Promise<readonly ProgramWithWeights[]>;
  /**
   * Begins and ends with nothing loaded. @throws where the device does not do what it should.
   * @returns what could not be checked on this device.
   */
  run(device: DeviceApi, programs: readonly ProgramWithWeights[]): Promise<string | undefined>;
}

/** Budget that devices under test are opened with. Small enough to be reached. */
export const budgetBytes = 256 * 2 ** 20;

export const cleared = { writesBeforeReads: false } as const;

export function ensure(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function ensureEqual(what: string, actual: unknown, expected: unknown): void {
  const [a, b] = [text(actual), text(expected)];
  ensure(a === b, `${what} is ${a}: expected ${b}`);
}

/** @returns the message. */
export async function ensureFails(
  what: string,
  call: Promise<unknown>,
  code: ErrorCode,
  pattern = /./,
): Promise<string> {
  const outcome: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  ensure(outcome !== undefined, `${what} did not fail: expected ${code}`);
  ensure(outcome instanceof DawnletError, `${what} failed with no DawnletError: ${String(outcome)}`);
  ensure(outcome.code === code, `${what} failed with ${outcome.code} (${outcome.message}): expected ${code}`);
  ensure(pattern.test(outcome.message), `${what} says '${outcome.message}': expected ${pattern}`);
  return outcome.message;
}

/** Fails unless the device holds as little as before anything was loaded. */
export async function ensureEmpty(device: DeviceApi): Promise<void> {
  ensureEqual("what is held after all was unloaded", held(await device.memory()), nothing);
}

const nothing = {
  weightBytes: 0,
  placedBytes: 0,
  activationBytes: 0,
  constantBytes: 0,
  stagingBytes: 0,
  tensorBytes: 0,
  sessionBytes: 0,
  loadedPrograms: 0,
  pipelines: 0,
  hostBytes: 0,
};

function held(memory: DeviceMemory): typeof nothing {
  const { weightBytes, placedBytes, activationBytes, constantBytes, stagingBytes } = memory;
  const { tensorBytes, sessionBytes, loadedPrograms, pipelines, hostBytes } = memory;
  return {
    ...{ weightBytes, placedBytes, activationBytes, constantBytes, stagingBytes },
    ...{ tensorBytes, sessionBytes, loadedPrograms, pipelines, hostBytes },
  };
}

function text(value: unknown): string {
  return value instanceof Uint8Array ? `[${value}]` : JSON.stringify(value);
}
