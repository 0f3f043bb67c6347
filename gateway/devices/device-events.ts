/**
 * What the devices of a gateway tell whoever decides what goes where. A listener is told after each change, in the same
 * turn: it may command at once. Types only.
 */
import type { RunTiming } from "../../runtime/device/api.ts";
import type { EvictionReason } from "./device-room.ts";

/** What happens on one device. */
export interface ManagedDeviceListener {
  /** The weights of a Program have come in. */
  resident(id: string): void;
  /** They have left, or do not come in any more. */
  evicted(id: string, reason: EvictionReason): void;
  /** What weights may take, in bytes, has changed. */
  budget(bytes: number): void;
  /** So long a run waited for the weights of its Program, or a load took to bring them in. */
  loadMeasured(id: string, bytes: number, ms: number): void;
  /** A run has ended well. */
  ran(id: string, timing: RunTiming): void;
}

/** The same on several devices, by `PlacedDevice.index`; Programs by their ids. What is not wanted is left out. */
export interface DeviceSetListener {
  resident?(device: number, program: string): void;
  /** Also for all that a device had when its process ended: `lost`. */
  evicted?(device: number, program: string, reason: EvictionReason): void;
  /** Runs that are placed there go to the device at once. */
  up?(device: number): void;
  /** Runs that are placed there wait for another process, or until it is clear who has lost the last one. */
  down?(device: number): void;
  budget?(device: number, bytes: number): void;
  /** Whether it is pinned on some device has changed. */
  pinned?(program: string): void;
  loadMeasured?(device: number, program: string, bytes: number, ms: number): void;
  ran?(device: number, program: string, timing: RunTiming): void;
}
