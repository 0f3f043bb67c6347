/**
 * The GPU devices of one instance of a handler: sessions of the device process, and the way of their messages. They share
 * the function's bytes on the device; an instance that takes more than its share of the GPU's time ends.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Message } from "../../runtime/port/port.ts";
import type { RemoteAdapterDescription } from "../../runtime/remote-gpu/protocol.ts";
import type { GpuLink, GpuSessionOptions, SessionEnd } from "../../runtime/supervisor/gpu-link.ts";
import type { HandlerLink } from "../../runtime/supervisor/isolate-process.ts";
import { shareExceeded } from "./exceeded.ts";
import { GpuShare } from "./gpu-share.ts";

export interface DeviceSessionsOptions {
  /** Of the function, for messages. */
  readonly name: string;
  /** For incidents: "function 'x' version 2". */
  readonly subject: string;
  /** Of this instance alone. */
  readonly group: string;
  readonly budgetBytes: number;
  /** Of the GPU's time, above 0, at most 1. */
  readonly gpuShare: number;
  /** How long the work of one message may take on the GPU. */
  readonly timeLimitMs: number;
  readonly adapter: () => Promise<RemoteAdapterDescription>;
  readonly open: (options: GpuSessionOptions) => Promise<GpuLink>;
  /** Ends the instance. */
  readonly end: (error: DawnletError) => void;
}

/** Devices that an instance may have at a time. */
const maxDevices = 8;

export class DeviceSessions {
  readonly #options: DeviceSessionsOptions;
  readonly #share: GpuShare;
  readonly #links = new Map<number, GpuLink>();
  readonly #opening = new Set<number>();
  #handler: HandlerLink | undefined;
  #isClosed = false;

  constructor(options: DeviceSessionsOptions) {
    this.#options = options;
    this.#share = new GpuShare(options.gpuShare);
  }

  connected(handler: HandlerLink): void {
    this.#handler = handler;
  }

  adapter(): Promise<RemoteAdapterDescription> {
    return this.#options.adapter();
  }

  /** @throws DawnletError INVALID_ARGUMENT for a number that is taken; FUNCTION_LIMIT; as `DeviceProcess.openSession`. */
  async open(device: number): Promise<void> {
    const { subject, group, budgetBytes, timeLimitMs, open } = this.#options;
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
        timeLimitMs,
        queuedBytes: () => this.#handler?.queuedBytes ?? 0,
        onUsage: ({ gpuMs, hostMs }) => this.#used(gpuMs + hostMs),
      });
      if (this.#isClosed) {
        link.close();
        return;
      }
      this.#links.set(device, link);
      link.receive((message) => this.#handler?.sendGpu(device, message));
      void link.ended.then((end) => this.#ended(device, link, end));
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

  /** @param gpuMs for which the GPU has worked for this instance, and its process has compiled and encoded for it. */
  #used(gpuMs: number): void {
    const { name, gpuShare, end } = this.#options;
    if (!this.#share.isWithin(gpuMs, performance.now())) end(shareExceeded(name, gpuShare));
  }

  #ended(device: number, link: GpuLink, end: SessionEnd): void {
    if (this.#links.get(device) === link) this.#links.delete(device);
    if (end.type !== "lost" || !end.isBlamed) return;
    const code = end.cause === "time-limit" ? "TIME_LIMIT_EXCEEDED" : "DEVICE_LOST";
    this.#options.end(new DawnletError(code, end.message, { details: { isBlamed: true } }));
  }
}
