/** Who runs what on a device: a version of a function, and a Program with what its weights take. */
import type { MemorySettings } from "../../kernels/manifest/memory-settings.ts";
import type { ScheduleSettings } from "../../kernels/manifest/schedule-settings.ts";
import type { Program } from "../../kernels/program/program.ts";
import type { StoredProgram } from "../../runtime/supervisor/device-process.ts";
import type { KnownTime } from "../scheduler/core/specs.ts";
import type { Configuration } from "../scheduler/profile/configurations.ts";
import type { Weight } from "./held-weights.ts";

export interface OwnedProgram extends StoredProgram {
  readonly weights: readonly Weight[];
  /** See kernels/program/analyze.ts. */
  readonly isDivisible: boolean;
}

/** What a Program reads from the store. */
export function weightsOf({ buffers }: Pick<Program, "buffers">): readonly Weight[] {
  return buffers.flatMap((one) =>
    one.type === "weight" ? [{ digest: one.digest, sizeBytes: one.sizeBytes }] : [],
  );
}

/** A version of a function; its settings may change. */
export interface ProgramOwner {
  readonly name: string;
  readonly version: number;
  settings: MemorySettings;
  /** Whose it is; left out: the operator's. */
  readonly tenant?: string | undefined;
  /** Most that a run of it may take on a device, whatever it states. Left out: as much as anybody's. */
  readonly maxTimeLimitMs?: number | undefined;
  /** When its calls are to run, as its manifest and clients say. */
  schedule?: ScheduleSettings | undefined;
  /** How long its runs took when they were profiled. */
  profiled?: readonly KnownTime[] | undefined;
  /** What it can do with parts of devices, by their class, where it was profiled. */
  configurations?: ReadonlyMap<string, readonly Configuration[]> | undefined;
}

/** A name of whose it is; no tenant has the operator's. */
export function tenantOf({ tenant = "" }: Pick<ProgramOwner, "tenant">): string {
  return tenant;
}
