/** What GPU sessions hold on a device, by their last reports, and what they lacked. Counts only. */
import type { GroupUsage } from "../../runtime/device/session-messages.ts";

export class SessionBytes {
  readonly #held = new Map<string, number>();
  #missing = 0;

  /** Of all groups. */
  get held(): number {
    let held = 0;
    for (const bytes of this.#held.values()) held += bytes;
    return held;
  }

  /** @returns whether weights should have another size now. */
  note({ group, bytes, missingBytes }: GroupUsage): boolean {
    const before = this.#held.get(group) ?? 0;
    if (bytes === 0) this.#held.delete(group);
    else this.#held.set(group, bytes);
    this.#missing = Math.max(this.#missing, missingBytes);
    return bytes !== before || missingBytes > 0;
  }

  /** What the device lacked for a buffer since this was last asked. */
  takeMissing(): number {
    const missing = this.#missing;
    this.#missing = 0;
    return missing;
  }

  /** The device process is gone. */
  clear(): void {
    this.#held.clear();
    this.#missing = 0;
  }
}
