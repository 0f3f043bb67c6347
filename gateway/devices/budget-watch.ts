/**
 * Learns how much of a device weights may take: asks it now and then what everything else takes, and has weights go
 * where that has become more. Which of them, residency.ts decides.
 */
import { getLogger } from "@logtape/logtape";
import type { GroupUsage } from "../../runtime/device/session-messages.ts";
import type { DeviceProcess } from "../../runtime/supervisor/device-process.ts";
import type { DeviceRoom, Waiter } from "./device-room.ts";
import { later } from "./later.ts";
import type { Residency } from "./residency.ts";
import { SessionBytes } from "./session-bytes.ts";
import { weightBudget } from "./weight-budget.ts";

export interface BudgetWatchOptions {
  readonly device: Pick<DeviceProcess, "memory">;
  /** What the device process may allocate in all. */
  readonly deviceBytes: number;
  readonly residency: Residency<Waiter>;
  readonly room: DeviceRoom;
  /** Milliseconds. */
  readonly now: () => number;
  /** What weights may take has become this many bytes. */
  readonly onBudget: (bytes: number) => void;
}

/** After swap-ins, before the device is asked how much memory it uses for what. */
const delayMs = 250;

const log = getLogger(["dawnlet", "memory"]);

export class BudgetWatch {
  readonly #options: BudgetWatchOptions;
  readonly #sessionBytes = new SessionBytes();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  /** What `onBudget` was told last. */
  #toldBytes: number;

  constructor(options: BudgetWatchOptions) {
    this.#options = options;
    this.#toldBytes = options.residency.budgetBytes;
  }

  /** Bytes of the buffers of all GPU sessions, a tenth of a second ago. */
  get sessionBytes(): number {
    return this.#sessionBytes.held;
  }

  /** The device process has reported what GPU sessions use. */
  sessionsUse(usage: GroupUsage): void {
    if (this.#sessionBytes.note(usage)) this.lookSoon();
  }

  /** The device process ended. */
  restarted(): void {
    this.#sessionBytes.clear();
  }

  lookSoon(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#timer = later(delayMs, async () => {
      try {
        await this.makeRoom(this.#sessionBytes.takeMissing());
      } catch (error) {
        log.debug("the device did not say what memory it uses: {error}", { error });
      } finally {
        this.#timer = undefined;
      }
    });
  }

  /** @param missingBytes for which the device had no room. @throws DawnletError where the device does not answer. */
  async makeRoom(missingBytes: number): Promise<void> {
    const { device, deviceBytes, residency, room, now, onBudget } = this.#options;
    const memory = await device.memory();
    room.evict(residency.setBudget(weightBudget(deviceBytes, memory, missingBytes), now()));
    room.advance();
    // It also goes down by itself, when what was too much is no longer in use.
    if (residency.budgetBytes === this.#toldBytes) return;
    this.#toldBytes = residency.budgetBytes;
    onBudget(this.#toldBytes);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
