/**
 * How long the device worked for somebody, from the times that single runs report. Runs that were on the device side by
 * side share its time: what they have in common counts once. Bookkeeping without a clock.
 */
export class DeviceTime {
  #coveredUntil = Number.NEGATIVE_INFINITY;

  /**
   * A run has ended. Runs come in the order of their ends, which is that of their begins too, as a device works through
   * rounds one after another.
   * @param executeMs how long it was on the device.
   * @returns milliseconds that no run before it has covered.
   */
  add(endMs: number, executeMs: number): number {
    const fromMs = Math.max(endMs - executeMs, this.#coveredUntil);
    this.#coveredUntil = Math.max(this.#coveredUntil, endMs);
    return Math.max(0, endMs - fromMs);
  }
}
