/** Has Programs go whose `keepAliveMs` is over: a timer for the next of them. Which those are, residency.ts knows. */
import type { DeviceRoom, Waiter } from "./device-room.ts";
import { later } from "./later.ts";
import type { Residency } from "./residency.ts";

/** A leased one past its time is looked at again a little later. */
const shortestMs = 10;

export class KeepAlive {
  readonly #residency: Residency<Waiter>;
  readonly #room: DeviceRoom;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  constructor(residency: Residency<Waiter>, room: DeviceRoom, now: () => number) {
    this.#residency = residency;
    this.#room = room;
    this.#now = now;
  }

  /** A Program was used; where it has no keepAlive there is nothing new. */
  used(id: string): void {
    if (this.#timer !== undefined) return;
    if (this.#residency.get(id)?.settings.keepAliveMs !== undefined) this.schedule();
  }

  /** Settings have changed. */
  schedule(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const next = this.#residency.nextExpiryMs();
    if (next === undefined) return;
    this.#timer = later(Math.max(shortestMs, next - this.#now()), () => {
      this.#timer = undefined;
      this.#room.evict(this.#residency.expire(this.#now()));
      this.#room.advance();
      this.schedule();
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
