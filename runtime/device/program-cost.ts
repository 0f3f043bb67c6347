/**
 * What runs of one Program take on this device, learned from its rounds. Figures only: who measures is in
 * submissions.ts, who decides by them in round-former.ts and cut-runs.ts.
 */
import { isDivisible } from "../../kernels/program/analyze.ts";
import type { Program } from "../../kernels/program/program.ts";
import { StepCosts } from "./step-costs.ts";

/** Weight of a new measurement. */
const newShare = 1 / 8;
/** Measured rounds before some go unmeasured. */
const knownCharges = 3;
/** The same of one by the host's clock that took longer: most of those are other work of the machine. */
const slowShare = 1 / 32;
/** By how much a shorter time, in milliseconds, must be shorter to replace the mean: more than timestamps are rounded by. */
const clearlyMs = 0.2;

export class ProgramCost {
  readonly #program: Program;
  #rounds = 0;
  #charges = 0;
  #steps: StepCosts | undefined;
  /** The shortest round that it was in, in milliseconds: what it takes at most when all is well. */
  expectedMs = Number.POSITIVE_INFINITY;
  /** What the host waits for a run that has the GPU for itself, in milliseconds; leans to the shortest, as a first run compiles and other work of the machine delays. */
  soloMs: number | undefined;
  /** The same by the GPU's clock. */
  soloGpuMs: number | undefined;
  /** The GPU's time that a run was charged with, on average; with others in its round less than alone. */
  chargedMs: number | undefined;

  constructor(program: Program) {
    this.#program = program;
  }

  /** `soloMs`, once it is more than the first run, in which drivers compile. */
  get warmMs(): number | undefined {
    return this.#rounds > 1 ? this.soloMs : undefined;
  }

  /** Milliseconds on the GPU that a run alone takes, by the best clock there is. */
  get aloneMs(): number | undefined {
    return this.soloGpuMs ?? this.soloMs;
  }

  get isDivisible(): boolean {
    return isDivisible(this.#program);
  }

  /** By step. To be asked for where `aloneMs` is known. */
  get steps(): StepCosts {
    this.#steps ??= new StepCosts(this.#program, this.aloneMs ?? 1);
    return this.#steps;
  }

  /** It was in a round of several. @param roundMs from its beginning to its end. */
  ranWithOthers(roundMs: number): void {
    this.#rounds++;
    if (roundMs < this.expectedMs) this.expectedMs = roundMs;
    // Alone it would not have taken longer.
    if (this.soloMs !== undefined && roundMs < this.soloMs) this.soloMs = roundMs;
  }

  /** @param gpuMs undefined where that was not measured. */
  ranAlone(wallMs: number, gpuMs: number | undefined): void {
    this.expectedMs = Math.min(this.expectedMs, wallMs);
    // Of a first run, which compiles, neither clock says what others take: the second one counts instead.
    const isSecond = this.#rounds++ === 1;
    this.soloMs = isSecond ? wallMs : leaning(this.soloMs, wallMs, 0, slowShare);
    if (gpuMs === undefined) return;
    this.soloGpuMs = isSecond ? gpuMs : leaning(this.soloGpuMs, gpuMs, clearlyMs, newShare);
  }

  /** Its share of a round that was measured. */
  charged(ms: number): void {
    this.#charges++;
    const before = this.#charges > 2 ? this.chargedMs : undefined;
    this.chargedMs = before === undefined ? ms : mixed(before, ms, newShare);
  }

  /** Rounds were measured in which it was warm. */
  get isKnown(): boolean {
    return this.#charges > knownCharges;
  }
}

function leaning(before: number | undefined, now: number, clearly: number, share: number): number {
  return before === undefined || now < before - clearly ? now : mixed(before, now, share);
}

function mixed(before: number, now: number, share: number): number {
  return before + (now - before) * share;
}
