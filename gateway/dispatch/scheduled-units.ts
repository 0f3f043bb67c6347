/**
 * What the scheduler takes for functions: a Program of a version, with those that run several of its calls as one. Sizes
 * of inputs that differ are different Programs, which take different times. Weights that Programs share count with the
 * first of them that is known: the devices count exactly, and tell what they had to do.
 */
import type { OwnedProgram, ProgramOwner } from "../devices/owner.ts";
import type { Tenancy } from "../devices/tenancy.ts";
import { holderOf } from "../devices/tensor-moves.ts";
import type { BatchGroup, CpuModel } from "../functions/prepared-call.ts";
import type { SchedulerEvent } from "../scheduler/core/events.ts";
import type { FunctionSpec, KnownTime, RequestSpec } from "../scheduler/core/specs.ts";
import type { DispatchedCall } from "./dispatched-call.ts";
import type { ScheduledDevice } from "./scheduled-device.ts";

export interface Unit {
  /** Of the scheduler's function. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly owner: ProgramOwner;
  /** Ids; that of single runs first. */
  readonly programs: ReadonlySet<string>;
  /** What its calls may run as on a CPU lane; undefined where they may not. */
  readonly cpuModel: CpuModel | undefined;
  /** Most rows of a run, as the scheduler was told last. */
  readonly batchLimit: number;
  /** The last calls that found others of the unit waiting, in a row. */
  crowdedCalls: number;
  /** A Program that runs several of its calls. */
  adds(program: OwnedProgram): void;
}

interface KnownUnit extends Unit {
  readonly programs: Set<string>;
  /** Of its single runs. */
  readonly weights: OwnedProgram["weights"];
  readonly weightBytes: number;
  readonly isDivisible: boolean;
  batchLimit: number;
  /** As the scheduler was told last. */
  told:
    | (Pick<ProgramOwner, "settings" | "schedule" | "profiled"> & { readonly isPinned: boolean })
    | undefined;
}

export interface ScheduledUnitsOptions {
  readonly devices: readonly ScheduledDevice[];
  /** Some of the devices run models on the CPU. */
  readonly hasLanes: boolean;
  readonly tenancy: Tenancy;
}

export class ScheduledUnits {
  readonly #devices: readonly ScheduledDevice[];
  readonly #hasLanes: boolean;
  readonly #tenancy: Tenancy;
  readonly #byId = new Map<string, KnownUnit>();
  readonly #byOwner = new Map<ProgramOwner, Map<string, KnownUnit>>();
  readonly #byProgram = new Map<string, Set<KnownUnit>>();
  #count = 0;

  constructor({ devices, hasLanes, tenancy }: ScheduledUnitsOptions) {
    this.#devices = devices;
    this.#hasLanes = hasLanes;
    this.#tenancy = tenancy;
  }

  /** Undefined where it was removed. */
  find(id: string): Unit | undefined {
    return this.#byId.get(id);
  }

  get(id: string): Unit {
    const unit = this.find(id);
    if (unit === undefined) throw new RangeError(`There is no scheduled unit '${id}'`);
    return unit;
  }

  withProgram(program: string): Iterable<Unit> {
    return this.#byProgram.get(program) ?? [];
  }

  ofOwner(owner: ProgramOwner): Iterable<Unit> {
    return this.#byOwner.get(owner)?.values() ?? [];
  }

  /**
   * The unit of a call. Where there are devices that take some calls of a Program and not others, those are units apart.
   * @param tell hears of one that is new or has changed, before this returns.
   */
  of(owner: ProgramOwner, { prepared }: DispatchedCall, tell: (event: SchedulerEvent) => void): Unit {
    const { program, batch } = prepared;
    const cpuModel = this.#hasLanes ? prepared.onCpu?.model : undefined;
    let units = this.#byOwner.get(owner);
    if (units === undefined) {
      units = new Map();
      this.#byOwner.set(owner, units);
    }
    const key = keyOf(program.id, cpuModel);
    const known = units.get(key);
    const unit = known ?? this.#add(owner, program, cpuModel);
    units.set(key, unit);
    this.#tellChange(unit, batch === undefined ? unit.batchLimit : readyRows(batch.group), tell);
    if (known === undefined) this.#tellResidents(unit, tell);
    return unit;
  }

  /** Settings of an owner may have changed. */
  configured(owner: ProgramOwner, tell: (event: SchedulerEvent) => void): void {
    // A copy: who is told may have functions removed.
    for (const unit of [...(this.#byOwner.get(owner)?.values() ?? [])])
      this.#tellChange(unit, unit.batchLimit, tell);
  }

  /** A device has found out that it does not take a model. */
  refused(model: CpuModel | undefined, tell: (event: SchedulerEvent) => void): void {
    for (const unit of [...this.#byId.values()]) {
      const [program] = unit.programs;
      if (unit.cpuModel !== undefined && unit.cpuModel.id === model?.id)
        tell({ type: "function", function: this.#spec(unit, program!) });
    }
  }

  request(id: number, unit: Unit, call: DispatchedCall, now: number): RequestSpec {
    const { prepared, deadlineMs, refuseLate } = call;
    const { inputs, batch } = prepared;
    const device = holderOf(inputs);
    const isBatched = batch !== undefined && unit.batchLimit > 1;
    return {
      ...{ id, function: unit.id },
      ...(deadlineMs !== undefined && { deadline: now + deadlineMs }),
      ...(refuseLate && { refuseLate }),
      ...(isBatched && { rows: batch.rows, batchKey: batch.group.key }),
      ...(device !== undefined && { device }),
    };
  }

  /** A function does without a Program. @returns the units whose single runs it was. */
  remove(owner: ProgramOwner, program: string): readonly Unit[] {
    const units = this.#byOwner.get(owner);
    const removed: Unit[] = [];
    for (const [key, unit] of units ?? []) {
      const [first] = unit.programs;
      if (first !== program) {
        this.#unlink(unit, program);
        continue;
      }
      units!.delete(key);
      this.#byId.delete(unit.id);
      for (const id of [...unit.programs]) this.#unlink(unit, id);
      removed.push(unit);
    }
    if (units?.size === 0) this.#byOwner.delete(owner);
    return removed;
  }

  /** Weights may be there before the first call: pinned, or brought in as they were deployed. */
  #tellResidents(unit: KnownUnit, tell: (event: SchedulerEvent) => void): void {
    for (const device of this.#devices)
      if (device.holds(unit)) tell({ type: "resident", device: device.id, function: unit.id });
  }

  /** Where something is not as the scheduler was told last. */
  #tellChange(unit: KnownUnit, batchLimit: number, tell: (event: SchedulerEvent) => void): void {
    const { settings, schedule, profiled } = unit.owner;
    const { told } = unit;
    const isPinned = this.#isPinned(unit);
    const isKnown =
      told?.settings === settings &&
      told.schedule === schedule &&
      told.profiled === profiled &&
      told.isPinned === isPinned;
    if (isKnown && unit.batchLimit === batchLimit) return;
    unit.told = { settings, schedule, profiled, isPinned };
    unit.batchLimit = batchLimit;
    const [program] = unit.programs;
    tell({ type: "function", function: this.#spec(unit, program!) });
  }

  #add(owner: ProgramOwner, program: OwnedProgram, cpuModel: CpuModel | undefined): KnownUnit {
    const unit: KnownUnit = {
      id: `${owner.name}@${owner.version}/${++this.#count}`,
      name: owner.name,
      owner,
      programs: new Set(),
      cpuModel,
      weights: program.weights,
      weightBytes: this.#newBytes(owner, program),
      isDivisible: program.isDivisible,
      told: undefined,
      batchLimit: 1,
      crowdedCalls: 0,
      adds: ({ id }) => this.#link(unit, id),
    };
    this.#link(unit, program.id);
    this.#byId.set(unit.id, unit);
    return unit;
  }

  /** What no other unit of the same version reads. */
  #newBytes(owner: ProgramOwner, program: OwnedProgram): number {
    const known = new Set<string>();
    for (const { weights } of this.#byOwner.get(owner)?.values() ?? [])
      for (const { digest } of weights) known.add(digest);
    let bytes = 0;
    for (const { digest, sizeBytes } of program.weights) if (!known.has(digest)) bytes += sizeBytes;
    return bytes;
  }

  #spec(unit: KnownUnit, program: string): FunctionSpec {
    const { id, owner, weightBytes, isDivisible, batchLimit } = unit;
    const { settings, schedule, tenant } = owner;
    const tenantWeight = this.#tenancy.weightOf(tenant);
    const refusing = this.#devices.filter((device) => !device.takes(unit));
    return {
      ...{ id, tenant: tenant ?? "", weightBytes, isDivisible, batchLimit },
      ...(tenantWeight !== 1 && { tenantWeight }),
      ...(schedule?.deadlineMs !== undefined && { deadlineMs: schedule.deadlineMs }),
      ...(schedule?.quota !== undefined && { quota: schedule.quota }),
      ...{ isPinned: this.#isPinned(unit), priority: settings.priority },
      ...(settings.keepAliveMs !== null && { keepAliveMs: settings.keepAliveMs }),
      ...(refusing.length > 0 && { refusedBy: [...new Set(refusing.map(({ spec }) => spec.class))] }),
      known: [...this.#knownTimes(program), ...(owner.profiled ?? [])],
    };
  }

  /** Of an owner that wants it so, where a device does so: others may want it for the same Program. */
  #isPinned(unit: KnownUnit): boolean {
    return unit.owner.settings.pin && this.#devices.some((device) => device.pins(unit));
  }

  /** From an earlier life, and more exact than a profile: of this Program. */
  #knownTimes(program: string): readonly KnownTime[] {
    return this.#devices.flatMap((device) => {
      const runMs = device.executeMs(program);
      return runMs === undefined ? [] : [{ class: device.spec.class, batch: 1, runMs }];
    });
  }

  #link(unit: KnownUnit, program: string): void {
    unit.programs.add(program);
    const units = this.#byProgram.get(program) ?? new Set();
    this.#byProgram.set(program, units.add(unit));
  }

  #unlink(unit: KnownUnit, program: string): void {
    const units = this.#byProgram.get(program);
    unit.programs.delete(program);
    units?.delete(unit);
    if (units?.size === 0) this.#byProgram.delete(program);
  }
}

/** Most rows that a run can have now. */
function readyRows(group: BatchGroup): number {
  const sizes = group.readySizes();
  return sizes === "any" ? Math.max(1, group.maxRows) : (sizes.at(-1) ?? 1);
}

function keyOf(program: string, cpuModel: CpuModel | undefined): string {
  return cpuModel === undefined ? program : `${program} on cpu`;
}
