/**
 * The GPU devices of one instance of a handler: sessions of the device process, and the way of their messages. They share
 * the function's bytes on the device; an instance that takes more than its share of the GPU's time ends.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Message } from "../../runtime/port/port.ts";
import type { RemoteAdapterDescription } from "../../runtime/remote-gpu/protocol.ts";
import type { GpuLink, OpenSession } from "../../runtime/supervisor/gpu-link.ts";
import type { StartedHandler } from "../../runtime/supervisor/isolate-process.ts";

export interface DeviceSessionsOptions {
  /** For messages and incidents: "function 'x' version 2". */
  readonly subject: string;
  /** Of this instance alone. */
  readonly group: string;
  readonly budgetBytes: number;
  readonly adapter: (budgetBytes: number) => Promise<RemoteAdapterDescription>;
  readonly open: OpenSession;
  /** A session has hung or crashed the device. */
  readonly onBlamed: (error: DawnletError) => void;
}

/** Devices that an instance may have at a time. */
const maxDevices = 8;

export class DeviceSessions {
  readonly #options: DeviceSessionsOptions;
  readonly #links = new Map<number, GpuLink>();
  readonly #opening = new Set<number>();
  #handler: StartedHandler | undefined;
  #isClosed = false;

  constructor(options: DeviceSessionsOptions) {
    this.#options = options;
  }

  started(handler: StartedHandler): void {
    this.#handler = handler;
  }

  adapter(): Promise<RemoteAdapterDescription> {
    return this.#options.adapter(this.#options.budgetBytes);
  }

  /** @throws DawnletError INVALID_ARGUMENT for a number that is taken; FUNCTION_LIMIT; as `DeviceProcess.openSession`. */
  async open(device: number): Promise<void> {
    const { subject, group, budgetBytes, open, onBlamed } = this.#options;
    if (this.#links.has(device) || this.#opening.has(device))
      throw new DawnletError("INVALID_ARGUMENT", `There is a device ${device} already`);
    if (this.#links.size + this.#opening.size >= maxDevices)
      throw new DawnletError("FUNCTION_LIMIT", `An instance may have ${maxDevices} devices at a time`);
    this.#opening.add(device);
    try {
      const link = await open({
        subject,
        group,
        budgetBytes,
        onMessage: (message) => this.#handler?.sendGpu(device, message),
        queuedBytes: () => this.#handler?.queuedBytes ?? 0,
      });
      if (this.#isClosed) {
        link.close();
        return;
      }
      this.#links.set(device, link);
      void link.ended.then(({ blame }) => {
        if (this.#links.get(device) === link) this.#links.delete(device);
        if (blame !== undefined) onBlamed(blame);
      });
    } finally {
      this.#opening.delete(device);
    }
  }

  /** Of a device that is not there, or not any more, there is nobody to tell. */
  message(device: number, message: Message | undefined): void {
    const link = this.#links.get(device);
    if (message !== undefined) link?.send(message);
    else {
      this.#links.delete(device);
      link?.close();
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }
}
