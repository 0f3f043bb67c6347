/**
 * Starting a device process until one is ready: concurrent callers share one start, failed ones are repeated as
 * start-backoff.ts says. What is done with the device is for its owner.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Incident, LossCause } from "./incident.ts";
import type { OpenedDevice } from "./opened-device.ts";
import { StartBackoff } from "./start-backoff.ts";

/** A device that was lost, and when that was noticed, by `performance.now()`. */
export interface LostDevice {
  readonly cause: LossCause;
  readonly at: number;
}

export interface DeviceStartOptions {
  /** One try. */
  readonly open: () => Promise<OpenedDevice>;
  readonly onReady: (device: OpenedDevice) => void;
  /** There will be no other try before somebody asks. */
  readonly onFailed: (error: unknown) => void;
  readonly report: (incident: Incident) => void;
}

/** A process that ended sooner, with nothing to do, is no better than one that failed to start. */
const shortLifeMs = 10_000;

export class DeviceStart {
  readonly #options: DeviceStartOptions;
  readonly #backoff = new StartBackoff();
  #running: Promise<OpenedDevice> | undefined;
  #isStopped = false;

  constructor(options: DeviceStartOptions) {
    this.#options = options;
  }

  /** What callers are told who come while waiting is of no use. */
  get refusal(): DawnletError | undefined {
    return this.#running === undefined ? this.#backoff.refusal(performance.now()) : undefined;
  }

  /** @param lost what the device is to replace. @throws DawnletError what the last try failed with. */
  run(lost?: LostDevice): Promise<OpenedDevice> {
    this.#running ??= this.#repeat(lost).finally(() => {
      this.#running = undefined;
    });
    // Who does not wait is told by `onFailed`.
    this.#running.catch(() => undefined);
    return this.#running;
  }

  /** The device has done some work. */
  worked(): void {
    if (this.#backoff.failures > 0) this.#backoff.worked();
  }

  ended(device: OpenedDevice, wasIdle: boolean, ending: string): void {
    const now = performance.now();
    if (!wasIdle || now - device.openedAt >= shortLifeMs) this.#backoff.worked();
    else this.#backoff.failed(new DawnletError("DEVICE_LOST", `It ended at once, ${ending}`), now);
  }

  /** No more tries until `work` is done. */
  async pauseFor(work: Promise<void>): Promise<void> {
    this.#isStopped = true;
    try {
      await work;
      await this.#running?.catch(() => undefined);
    } finally {
      this.#isStopped = false;
    }
  }

  async #repeat(lost: LostDevice | undefined): Promise<OpenedDevice> {
    const { open, onReady, onFailed, report } = this.#options;
    for (;;) {
      const waitMs = this.#backoff.waitMs(performance.now());
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      try {
        if (this.#isStopped) throw new DawnletError("UNAVAILABLE", "The device process is stopping");
        const device = await open();
        if (device.isClosed)
          throw new DawnletError("DEVICE_LOST", "The device process ended as soon as it was ready");
        const { cause, at } = lost ?? {};
        if (cause !== undefined && at !== undefined)
          report({ type: "recovered", cause, recoveryMs: performance.now() - at });
        onReady(device);
        return device;
      } catch (error) {
        const mayWait = !this.#isStopped && this.#backoff.failed(error, performance.now());
        const reason = error instanceof Error ? error.message : String(error);
        if (!this.#isStopped) report({ type: "start-failed", failures: this.#backoff.failures, reason });
        if (mayWait) continue;
        onFailed(error);
        throw error;
      }
    }
  }
}
