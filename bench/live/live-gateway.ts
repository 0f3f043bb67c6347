/**
 * A gateway over stored functions, with device processes on one adapter, under one policy; called over HTTP. Each output
 * is compared with what it must be. Says when a call left and when its answer was there; who calls what, callers know.
 */
import { platform } from "#platform";
import { type Gateway, openGateway } from "../../gateway/gateway.ts";
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { bodyOf, expectedOutput, type LiveFunction, seedsOfEach } from "./functions.ts";
import { linkedCopy } from "./linked-copy.ts";
import { observed, PolicyRecord } from "./observed-policy.ts";

/** The second time it is kept in host memory, if it has left meanwhile. */
const loadsOfEach = 3;

export interface LiveSetup {
  /** In which the functions are stored. */
  readonly dataFolder: string;
  readonly devices: number;
  /** Of each. */
  readonly deviceBytes: number;
  readonly functions: readonly LiveFunction[];
  /** How far a call wanders. */
  readonly steps: number;
  /** What functions must answer, once it was worked out. */
  readonly expected: Map<string, string>;
}

/** Where weights are, by ids of devices and functions. */
export type Resident = readonly { readonly device: string; readonly function: string }[];

export interface CallOptions {
  readonly seed?: number;
  readonly deadlineMs?: number;
}

export class LiveGateway implements AsyncDisposable {
  readonly record: PolicyRecord;
  /** Outputs that were not what they must be, and calls that failed. */
  wrong = 0;
  readonly #gateway: Gateway;
  readonly #setup: LiveSetup;

  private constructor(gateway: Gateway, setup: LiveSetup, record: PolicyRecord) {
    this.#gateway = gateway;
    this.#setup = setup;
    this.record = record;
  }

  /** Over a copy of what is stored, so that there can be several. */
  static async open(setup: LiveSetup, policy: SchedulingPolicy): Promise<LiveGateway> {
    const dataFolder = await linkedCopy(setup.dataFolder);
    return LiveGateway.openStored({ ...setup, dataFolder }, policy);
  }

  /** Over the folder itself, to store something. */
  static async openStored(setup: LiveSetup, policy: SchedulingPolicy): Promise<LiveGateway> {
    const record = new PolicyRecord();
    const gateway = await openGateway({
      ...{ platform, port: 0, dataFolder: setup.dataFolder, devices: setup.devices },
      ...{ deviceBytes: setup.deviceBytes, scheduling: observed(policy, record) },
    });
    return new LiveGateway(gateway, setup, record);
  }

  get url(): string {
    return this.#gateway.url;
  }

  /** What the scheduler was told of its devices. */
  get deviceSpecs() {
    return this.#gateway.backends.dispatcher.cluster.devices.map(({ spec, budgetBytes }) => ({
      ...spec,
      budgetBytes,
    }));
  }

  get resident(): Resident {
    return this.#gateway.backends.dispatcher.cluster.devices.flatMap(({ spec, residences }) =>
      [...residences.keys()].map(({ id }) => ({ device: spec.id, function: id })),
    );
  }

  get adapter() {
    return this.#gateway.adapters[0]!.description.adapter;
  }

  /** @returns milliseconds; undefined where it failed or gave another output. */
  async call(index: number, { seed = 0, deadlineMs }: CallOptions = {}): Promise<number | undefined> {
    const { name } = this.#setup.functions[index]!;
    const body = bodyOf(seed, this.#setup.steps);
    const headers = deadlineMs === undefined ? {} : { "dawnlet-deadline": deadlineMs.toFixed(3) };
    const startedAt = performance.now();
    const response = await fetch(`${this.url}/function/${name}`, { method: "POST", body, headers });
    const text = await response.text();
    const tookMs = performance.now() - startedAt;
    if (response.ok && text === this.#expected(index, seed, text)) return tookMs;
    this.wrong++;
    return undefined;
  }

  /**
   * Each function with each of its inputs, one after the other, and then on each device: pipelines are compiled then, what
   * is right is worked out, and weights are in host memory, where a device keeps what comes in again.
   */
  async warm(functions: number): Promise<void> {
    for (let i = 0; i < functions; i++)
      for (let seed = 0; seed < seedsOfEach; seed++) await this.call(i, { seed });
    for (let round = 0; round < loadsOfEach; round++) await this.touch();
  }

  /**
   * Loads each function that was called on each device: memory that was not read for minutes is slow once on a virtual
   * machine.
   */
  async touch(): Promise<void> {
    const { devices } = this.#gateway.backends;
    const programs = [...this.#gateway.functions.devices()].flatMap((one) => one.programs);
    for (const { index } of devices.devices) for (const { id } of programs) await devices.loadOn(index, id);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#gateway.close();
  }

  /** The text that is right: the numbers are worked out once, and its form taken from an answer that has them. */
  #expected(index: number, seed: number, text: string): string | undefined {
    const { expected, functions, steps } = this.#setup;
    const key = `${index} ${seed} ${steps}`;
    const known = expected.get(key);
    if (known !== undefined) return known;
    const numbers: unknown = JSON.parse(text);
    const right = [...expectedOutput(functions[index]!, seed, steps)];
    if (JSON.stringify(Object.values(numbers as object)) !== JSON.stringify([right])) return undefined;
    expected.set(key, text);
    return text;
  }
}
