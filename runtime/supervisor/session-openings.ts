/**
 * Who wants to open a GPU session: waits for a device, and while jobs run that are to have it for themselves; tries
 * again where the device is lost meanwhile. What is open gpu-sessions.ts holds.
 */
import type { DawnletError } from "../../kernels/errors.ts";
import type { GpuLink, GpuSessionOptions } from "./gpu-link.ts";
import { isDeviceLoss } from "./loss-words.ts";
import type { OpenedDevice } from "./opened-device.ts";

/** What openings have to do with the process. */
export interface OpeningEvents {
  /** The device that a session may be opened on now. */
  device(): OpenedDevice | undefined;
  /** One waits. @returns why that is of no use; undefined where `advance` will be called. */
  needed(): DawnletError | undefined;
  /** One was asked for. */
  sent(): void;
  /** The device has opened one. */
  answered(): void;
}

/** Devices that may be lost while a session is opened. */
const maxTries = 3;

export class SessionOpenings {
  readonly #on: OpeningEvents;
  readonly #waiting = new Set<PromiseWithResolvers<OpenedDevice>>();

  constructor(on: OpeningEvents) {
    this.#on = on;
  }

  /** @throws DawnletError what `needed` says, what those are rejected with that wait, DEVICE_LOST. */
  async open(options: GpuSessionOptions): Promise<GpuLink> {
    for (let tries = maxTries; ; tries--) {
      const device = await this.#ready();
      try {
        this.#on.sent();
        const link = await device.sessions.open(options);
        this.#on.answered();
        return link;
      } catch (error) {
        if (!isDeviceLoss(error) || tries <= 1) throw error;
      }
    }
  }

  /** There may be a device now. */
  advance(): void {
    const device = this.#on.device();
    if (device === undefined) return;
    for (const { resolve } of this.#waiting) resolve(device);
    this.#waiting.clear();
  }

  /** No device comes. */
  rejectAll(error: unknown): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }

  async #ready(): Promise<OpenedDevice> {
    const device = this.#on.device();
    if (device !== undefined) return device;
    const waiting = Promise.withResolvers<OpenedDevice>();
    this.#waiting.add(waiting);
    const refusal = this.#on.needed();
    if (refusal === undefined) return waiting.promise;
    this.#waiting.delete(waiting);
    throw refusal;
  }
}
