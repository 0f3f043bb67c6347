/** A request from its arrival to its end, and a run of several: what policies see and the cluster changes. */
import type { DeviceState } from "./device-state.ts";
import type { FunctionState } from "./function-state.ts";

type RequestFields = Pick<
  Request,
  "id" | "function" | "arrivedAt" | "deadline" | "refuseLate" | "rows" | "batchKey" | "boundTo"
>;

export class Request {
  readonly id: number;
  readonly function: FunctionState;
  readonly arrivedAt: number;
  /** Point in time; undefined where nobody set one. */
  readonly deadline: number | undefined;
  readonly refuseLate: boolean;
  readonly rows: number;
  readonly batchKey: string | undefined;
  /** The only device it can run on. */
  readonly boundTo: DeviceState | undefined;
  state: "waiting" | "running" | "ended" = "waiting";
  /** How often others were let past it; for policies that count. */
  skips = 0;

  constructor(fields: RequestFields) {
    this.id = fields.id;
    this.function = fields.function;
    this.arrivedAt = fields.arrivedAt;
    this.deadline = fields.deadline;
    this.refuseLate = fields.refuseLate;
    this.rows = fields.rows;
    this.batchKey = fields.batchKey;
    this.boundTo = fields.boundTo;
  }

  /** Whether the device could ever take it; it may be down now. */
  mayRunOn(device: DeviceState): boolean {
    return (this.boundTo === undefined || this.boundTo === device) && device.canHold(this.function);
  }
}

/** Requests of one function at a device. */
export interface Run {
  readonly id: number;
  readonly device: DeviceState;
  readonly function: FunctionState;
  readonly requests: readonly Request[];
  readonly rows: number;
  readonly startedAt: number;
  /** Its weights were not there. */
  readonly isCold: boolean;
  /** The device lets others in between. */
  readonly isCut: boolean;
  /** Part of the device that it may fill; undefined where it may fill all. */
  readonly share: number | undefined;
  /** Expected, without waiting and loading. */
  readonly runMs: number;
  /** Expected, by which it holds up others. */
  readonly fillMs: number;
  /** Expected point in time. */
  readonly endsAt: number;
}
