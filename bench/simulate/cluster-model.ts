/** The machines of a simulation: devices, what functions take on them, and how bytes come to them. Plain data. */
import type { DeviceSpec, FunctionSpec } from "../../gateway/scheduler/core/specs.ts";

export interface SimulatedFunction extends FunctionSpec {
  /** A run of one row, alone, weights there. */
  readonly runMs: number;
  /** Part of that which a batch has once, 0 to 1; the rest counts for each row. Left out: 0. */
  readonly sharedPart?: number;
  /** Before and after the device; adds to latency. */
  readonly hostMs?: number;
}

export interface SimulatedDevice extends DeviceSpec {
  /** How much slower than what `runMs` says. Left out: 1. */
  readonly slowness?: number;
}

/** Milliseconds alone on a device, and the part of it that is filled: a batch cannot do more work than the device. */
export function demandOf(
  { runMs, sharedPart = 0, occupancy = 1 }: SimulatedFunction,
  { slowness = 1 }: SimulatedDevice,
  rows: number,
): { readonly runMs: number; readonly occupancy: number } {
  const workMs = rows * runMs * occupancy;
  const batchMs = Math.max(runMs * (sharedPart + (1 - sharedPart) * rows), workMs);
  return { runMs: batchMs * slowness, occupancy: workMs / batchMs };
}

export interface GridOptions {
  readonly nodes: number;
  readonly devicesPerNode: number;
  /** Devices of a node that share a bus. */
  readonly devicesPerBus: number;
  readonly budgetBytes: number;
  readonly loadBytesPerMs: number;
  readonly loadFixedMs?: number;
  readonly class?: string;
}

/** Equal devices in equal nodes. */
export function gridOf(options: GridOptions): readonly SimulatedDevice[] {
  const { nodes, devicesPerNode, devicesPerBus, budgetBytes, loadBytesPerMs, loadFixedMs = 0 } = options;
  return Array.from({ length: nodes * devicesPerNode }, (_, i) => {
    const node = `node${Math.floor(i / devicesPerNode)}`;
    const bus = `${node}/bus${Math.floor((i % devicesPerNode) / devicesPerBus)}`;
    const id = `${node}/gpu${i % devicesPerNode}`;
    return { id, class: options.class ?? "gpu", node, bus, budgetBytes, loadBytesPerMs, loadFixedMs };
  });
}
