/**
 * Which Programs a device cannot run, and why: found out when they were loaded there. Devices differ in their limits,
 * and in what their compilers make of a shader. Bookkeeping only.
 */
import { DawnletError, type ErrorCode } from "../../kernels/errors.ts";
import type { DeviceMember } from "./device-member.ts";

/** A device on which something does not run. */
export interface Misfit {
  /** Its id. */
  readonly device: string;
  readonly reason: string;
}

/** The same wherever, and whenever, this device is asked. */
const lasting: ReadonlySet<ErrorCode> = new Set(["LIMIT_EXCEEDED", "INVALID_SHADER"]);
/** What another device may have: room, a place in its queue, a process. */
const passing: ReadonlySet<ErrorCode> = new Set(["OUT_OF_MEMORY", "QUEUE_FULL", "UNAVAILABLE", "NO_ADAPTER"]);

/** Whether another device may do better: `lasting` where this one never will. */
export function misfitOf(error: unknown): "lasting" | "passing" | undefined {
  if (!(error instanceof DawnletError)) return undefined;
  if (lasting.has(error.code)) return "lasting";
  return passing.has(error.code) ? "passing" : undefined;
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export class Misfits {
  /** Changes with what is known. */
  version = 0;
  readonly #all: readonly DeviceMember[];
  /** By Program, then by device. */
  readonly #reasons = new Map<string, Map<DeviceMember, string>>();

  constructor(all: readonly DeviceMember[]) {
    this.#all = all;
  }

  note(program: string, device: DeviceMember, error: unknown): void {
    const reasons = this.#reasons.get(program) ?? new Map<DeviceMember, string>();
    reasons.set(device, reasonOf(error));
    this.#reasons.set(program, reasons);
    this.version++;
  }

  /** Devices for a Program: all, where none is known to run it. */
  among(program: string): readonly DeviceMember[] {
    const reasons = this.#reasons.size === 0 ? undefined : this.#reasons.get(program);
    if (reasons === undefined || reasons.size === this.#all.length) return this.#all;
    return this.#all.filter((device) => !reasons.has(device));
  }

  /** Of any of these Programs, each device once. */
  of(programs: Iterable<string>): readonly Misfit[] {
    const reasons = new Map<string, string>();
    for (const program of programs)
      for (const [{ id }, reason] of this.#reasons.get(program) ?? []) reasons.set(id, reason);
    return [...reasons].map(([device, reason]) => ({ device, reason }));
  }

  forget(program: string): void {
    if (this.#reasons.delete(program)) this.version++;
  }
}
