/**
 * Keeps waiting from burning a core. While anything asynchronous is pending, Dawn's binding asks for it in every turn
 * of the event loop, without a pause; on a machine whose cores also run the gateway, or the software GPU itself, that
 * takes their time. Used by Node and Deno.
 */
import { setImmediate } from "node:timers";
import type { Pace } from "./platform.ts";

const cell = new Int32Array(new SharedArrayBuffer(4));

/** See `Platform.pace`. */
export function paceEventLoop({ graceMs, pauseMs }: Pace, isWaiting: () => boolean): () => void {
  let isPacing = false;
  let begunAt = 0;
  const turn = (): void => {
    if (!isWaiting()) {
      isPacing = false;
      return;
    }
    // Blocks the thread, which has nothing to do: what arrives meanwhile is handled in the next turn, together.
    if (performance.now() - begunAt > graceMs) Atomics.wait(cell, 0, 0, pauseMs);
    setImmediate(turn);
  };
  return () => {
    begunAt = performance.now();
    if (isPacing) return;
    isPacing = true;
    setImmediate(turn);
  };
}
