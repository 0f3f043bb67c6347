/** Functions, devices and requests for tests of the scheduler, spelled out where a test says no more of them. */
import type { DeviceSpec, FunctionSpec, RequestSpec } from "../../../../gateway/scheduler/core/specs.ts";

/** 10 bytes of weights. */
export function functionSpec(id: string, overrides: Partial<FunctionSpec> = {}): FunctionSpec {
  return { id, tenant: "acme", weightBytes: 10, ...overrides };
}

/** Room for 100 bytes, one of which comes in per millisecond, on a bus of its own. */
export function deviceSpec(id: string, overrides: Partial<DeviceSpec> = {}): DeviceSpec {
  return {
    id,
    class: "h200",
    node: "node",
    bus: `bus of ${id}`,
    budgetBytes: 100,
    loadBytesPerMs: 1,
    ...overrides,
  };
}

export function requestSpec(id: number, fn: string, overrides: Partial<RequestSpec> = {}): RequestSpec {
  return { id, function: fn, ...overrides };
}
