/**
 * What becomes of a run that asks for room on a device: it runs, waits, or is refused, with the reason in words for
 * people. residency.ts decides which. Functions of others may share the Program, and its label is the first one's: the
 * reasons, which go to whoever called, name nobody.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Eviction } from "../scheduler/eviction/victims.ts";
import { formatBytes } from "../text.ts";
import type { Residence } from "./residence.ts";

/**
 * What to do for a run: evict and run in this order; wait until `advance` names it, in place of another where the queue was
 * full; or give up.
 */
export type Admission<W> =
  | { readonly type: "run"; readonly evict: readonly Eviction[] }
  | { readonly type: "wait"; readonly displaced?: Displaced<W> }
  | Refusal;

/** A run that waits no more, as it made way. */
export interface Displaced<W> {
  readonly waiter: W;
  readonly error: DawnletError;
}

export interface Refusal {
  readonly type: "refuse";
  readonly error: DawnletError;
}

/** A waiting run whose turn it is. */
export interface Turn<W> {
  readonly waiter: W;
  readonly admission: Exclude<Admission<W>, { readonly type: "wait" }>;
}

/** What to do after something changed: evict, then the turns in their order. */
export interface Advance<W> {
  readonly evict: readonly Eviction[];
  readonly turns: readonly Turn<W>[];
}

type Refused = Pick<Residence, "sizeBytes">;

/** @param roomBytes for weights in all, as below. */
export function tooLarge({ sizeBytes }: Refused, roomBytes: number): Refusal {
  return refusal(
    "OUT_OF_MEMORY",
    `Cannot load the function as its weights take ${formatBytes(sizeBytes)}: the device has room for ${formatBytes(roomBytes)} of weights (serve --device-memory)`,
  );
}

/** @param known Programs, on the device or not. */
export function noRoom(
  { sizeBytes }: Refused,
  roomBytes: number,
  known: Iterable<Readonly<Residence>>,
): Refusal {
  const pinned = [...known].filter((one) => one.isOn && one.settings.isPinned);
  // Those of different sizes of one function share weights.
  const weights = new Map(pinned.flatMap((one) => one.weights.map((each) => [each.digest, each.sizeBytes])));
  const why =
    pinned.length > 0
      ? `pinned functions leave no room, as ${formatBytes([...weights.values()].reduce((sum, one) => sum + one, 0))} of ${formatBytes(roomBytes)} are theirs`
      : "the device has no room for them in one piece, and there is nothing left to evict";
  return refusal(
    "OUT_OF_MEMORY",
    `Cannot load the function, whose weights take ${formatBytes(sizeBytes)}: ${why}`,
  );
}

export function queueFull(waiting: number): Refusal {
  return refusal("QUEUE_FULL", `Cannot take the call now: ${waiting} calls wait for device memory already`);
}

/** @param waiting with the one that makes way. */
export function madeWay(waiting: number): DawnletError {
  return new DawnletError(
    "QUEUE_FULL",
    `Cannot take the call now: ${waiting} calls wait for device memory already, and a tenant that has fewer of them takes its place`,
  );
}

function refusal(code: "OUT_OF_MEMORY" | "QUEUE_FULL", message: string): Refusal {
  return { type: "refuse", error: new DawnletError(code, message) };
}
