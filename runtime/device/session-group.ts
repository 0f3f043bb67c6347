/**
 * What the GPU sessions of one client together may use and have used. They share one budget of bytes, which is part of
 * the device's ledger; time is counted in the milliseconds for which their work was the oldest on the queue.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { Budget, OverBudget } from "../remote-gpu/server/budget.ts";
import type { Ledger } from "./ledger.ts";
import type { GroupUsage } from "./session-messages.ts";

export class SessionGroup {
  readonly budget: Budget;
  /** That there are. */
  sessions = 0;
  readonly #name: string;
  readonly #onChange: (group: SessionGroup) => void;
  #gpuMs = 0;
  #hostMs = 0;
  #bytes = 0;
  #missingBytes = 0;

  /** @param onChange called when there is something to report. */
  constructor(name: string, budgetBytes: number, ledger: Ledger, onChange: (group: SessionGroup) => void) {
    this.#name = name;
    this.#onChange = onChange;
    this.budget = new Budget(budgetBytes, {
      take: (bytes) => {
        this.#take(ledger, bytes);
        this.#bytes += bytes;
        onChange(this);
      },
      give: (bytes) => {
        ledger.give("session", bytes);
        this.#bytes -= bytes;
        onChange(this);
      },
    });
  }

  /** Nothing would be forgotten with it but a count. */
  get isOver(): boolean {
    return this.sessions === 0 && this.budget.isEmpty;
  }

  worked(gpuMs: number): void {
    this.#gpuMs += gpuMs;
    this.#onChange(this);
  }

  handled(hostMs: number): void {
    this.#hostMs += hostMs;
    this.#onChange(this);
  }

  report(): GroupUsage {
    const missingBytes = this.#missingBytes;
    this.#missingBytes = 0;
    const [gpuMs, hostMs] = [wholeMicroseconds(this.#gpuMs), wholeMicroseconds(this.#hostMs)];
    return { group: this.#name, gpuMs, hostMs, bytes: this.#bytes, missingBytes };
  }

  #take(ledger: Ledger, bytes: number): void {
    try {
      ledger.take("session", bytes);
    } catch (error) {
      if (!(error instanceof DawnletError)) throw error;
      const needed = error.details?.neededBytes;
      if (typeof needed === "number") {
        this.#missingBytes = Math.max(this.#missingBytes, needed);
        this.#onChange(this);
      }
      // How full the device is with what others have there is nothing for a client.
      throw new OverBudget(`Cannot create a buffer of ${bytes} bytes: the device has no room for it now`);
    }
  }
}

/** In milliseconds: no more digits than mean something. */
function wholeMicroseconds(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
