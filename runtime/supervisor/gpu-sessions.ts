/** The GPU sessions of one device process: links by number, over the stream of its Port that is theirs. */
import { DawnletError } from "../../kernels/errors.ts";
import { type GroupUsage, parseFromHost } from "../device/session-messages.ts";
import type { Message, Port } from "../port/port.ts";
import { type GpuLink, type GpuSessionOptions, OpenLink } from "./gpu-link.ts";
import type { LossCause } from "./incident.ts";

interface Opening {
  readonly resolve: (link: GpuLink) => void;
  readonly reject: (error: DawnletError) => void;
}

/** How the process came to its end. `cause` is undefined where that was wanted. */
export interface ProcessEnd {
  readonly cause: LossCause | undefined;
  readonly blamed: OpenLink | undefined;
}

export interface SessionEvents {
  /** The device does not recover from what the session has it do. */
  stuck(link: OpenLink): void;
  usage(usage: GroupUsage): void;
}

export class GpuSessions {
  readonly #port: Port;
  readonly #on: SessionEvents;
  readonly #links = new Map<number, OpenLink>();
  readonly #opening = new Map<number, Opening>();
  #nextNumber = 1;
  #isOver = false;

  /** Becomes the Port's receiver. */
  constructor(port: Port, on: SessionEvents) {
    this.#port = port;
    this.#on = on;
    port.receive((message) => this.#take(message));
  }

  /** Sessions of which the device process has something. */
  get size(): number {
    return this.#links.size;
  }

  /** Of work of one message. */
  get longestLimitMs(): number {
    let longest = 0;
    for (const { timeLimitMs } of this.#links.values()) longest = Math.max(longest, timeLimitMs);
    return longest;
  }

  /** One of them; undefined where there are several groups, or none. */
  get suspect(): OpenLink | undefined {
    const [first, ...others] = this.#links.values();
    return others.every(({ options }) => options.group === first?.options.group) ? first : undefined;
  }

  /** Those that may have work at the device, by subject; one of each. */
  get busy(): ReadonlyMap<string, OpenLink> {
    const busy = new Map<string, OpenLink>();
    for (const link of this.#links.values()) if (link.isBusy) busy.set(link.options.subject, link);
    return busy;
  }

  /** @throws DawnletError DEVICE_LOST where the process ends before. */
  open(options: GpuSessionOptions): Promise<GpuLink> {
    if (this.#isOver) return Promise.reject(processGone());
    const number = this.#nextNumber++;
    return new Promise((resolve, reject) => {
      this.#opening.set(number, { resolve, reject });
      this.#links.set(number, new OpenLink(number, this.#port, options));
    });
  }

  /** The process is gone. */
  end({ cause, blamed }: ProcessEnd): void {
    this.#isOver = true;
    for (const { reject } of this.#opening.values()) reject(processGone());
    for (const link of this.#links.values()) {
      const isBlamed = link === blamed;
      const message = lossMessage(cause, isBlamed, link.timeLimitMs);
      link.lost(cause === undefined ? { type: "closed" } : { type: "lost", cause, isBlamed, message });
    }
    this.#opening.clear();
    this.#links.clear();
  }

  #take({ header, attachments }: Message): void {
    const told = parseFromHost(header);
    if (told === undefined) {
      this.#port.close();
      return;
    }
    if (told.type === "usage") {
      for (const usage of told.usage) {
        this.#on.usage(usage);
        for (const { options } of this.#links.values())
          if (options.group === usage.group) options.onUsage?.(usage);
      }
      for (const progress of told.progress) this.#links.get(progress.session)?.progressed(progress);
      return;
    }
    const number = told.session;
    const link = this.#links.get(number);
    if (link === undefined) return;
    switch (told.type) {
      case "opened":
        link.opened(told.adapter);
        this.#opening.get(number)?.resolve(link);
        this.#opening.delete(number);
        break;
      case "data":
        link.deliver({ header: told.data, attachments });
        break;
      case "taken":
        link.taken(told.messages);
        break;
      case "stuck":
        this.#on.stuck(link);
        break;
      case "ended":
        this.#links.delete(number);
        link.hasEnded(told.why);
        break;
      default:
        told satisfies never;
    }
  }
}

function processGone(): DawnletError {
  return new DawnletError("DEVICE_LOST", "The device process ended before a GPU session was open");
}

function lossMessage(cause: LossCause | undefined, isBlamed: boolean, timeLimitMs: number): string {
  if (cause === undefined) return "The device process has stopped";
  if (!isBlamed) return "The device process has ended; another one is started";
  if (cause === "time-limit")
    return `Work took longer than ${timeLimitMs} ms on the GPU, which had to be started anew: submit less of it at a time`;
  return `The device process ${cause === "hang" ? "stopped to answer" : "ended"} while it worked for this session, time and again or for no other: it asks the device for something that it cannot do`;
}
