/**
 * One GPU session as a gateway holds it: passes messages between a client of remote-gpu and the device process, looks
 * into none of them, and limits what either side leaves unread. gpu-sessions.ts has all links of a process.
 */
import { type GroupUsage, only, type SessionProgress, type ToHost } from "../device/session-messages.ts";
import { Inbox } from "../port/inbox.ts";
import type { Message, Port } from "../port/port.ts";
import { Taken, Unread } from "../port/unread.ts";
import type { AnswersHeader, RemoteAdapterDescription } from "../remote-gpu/protocol.ts";
import type { LossCause } from "./incident.ts";
import { defaultTimeLimitMs } from "./time-limit.ts";

export interface GpuSessionOptions {
  /** Sessions of one group share a budget, and their GPU time is counted together. */
  readonly group: string;
  /** Of all buffers of the group together; the first session that is open says so. */
  readonly budgetBytes: number;
  /** Who is to blame for what the session does, for people: "function 'x' version 2". */
  readonly subject: string;
  /** How long the work of one message may take on the GPU. Left out: ten seconds. */
  readonly timeLimitMs?: number;
  /** Bytes that were passed on to the client and that it has not taken. Left out: it takes everything at once. */
  readonly queuedBytes?: () => number;
  /** What the group uses; at most ten times a second, while that changes. */
  readonly onUsage?: (usage: GroupUsage) => void;
}

export type SessionEnd =
  /** `close` was called, or the client destroyed its device, or the device process was stopped. */
  | { readonly type: "closed" }
  /** The client did not keep to the protocol or to what one client may do. */
  | { readonly type: "refused"; readonly message: string }
  /** The device process is gone. `isBlamed`: for what this session did. */
  | {
      readonly type: "lost";
      readonly cause: LossCause;
      readonly isBlamed: boolean;
      readonly message: string;
    };

export interface GpuLink {
  /** What the client is to be told of the device. */
  readonly adapter: RemoteAdapterDescription;
  /** Passes a message of the client on, whatever it is. Never throws; does nothing once the session has ended. */
  send(message: Message): void;
  /** Sets who passes messages to the client on. The last one says that the device is lost, unless `close` was called. */
  receive(receiver: (message: Message) => void): void;
  /** Frees what the session has. */
  close(): void;
  /** Settles when nothing of the session is left on the GPU. Never rejects. */
  readonly ended: Promise<SessionEnd>;
}

/** A client that sends more than its budget and this before it is taken means harm. */
const maxUnreadBytes = 64 * 2 ** 20;
/** While the client has more than this to take, what it is sent does not count as taken. */
const maxClientBytes = 2 ** 20;
const askAgainMs = 20;

export class OpenLink implements GpuLink {
  readonly ended: Promise<SessionEnd>;
  readonly options: GpuSessionOptions;
  readonly timeLimitMs: number;
  readonly #number: number;
  readonly #port: Port;
  readonly #end: (end: SessionEnd) => void;
  readonly #inbox = new Inbox();
  readonly #unread = new Unread();
  readonly #taken = new Taken();
  #adapter: RemoteAdapterDescription | undefined;
  #refusal: string | undefined;
  #isOpen = true;
  /** Messages; those that were handled are as of the last report. */
  #sent = 0;
  #handled = 0;
  #submits = 0;
  #asking: ReturnType<typeof setTimeout> | undefined;

  /** Asks for the session. @param number names it on the Port. */
  constructor(number: number, port: Port, options: GpuSessionOptions) {
    const { group, budgetBytes, timeLimitMs = defaultTimeLimitMs } = options;
    this.#number = number;
    this.#port = port;
    this.options = options;
    this.timeLimitMs = timeLimitMs;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.ended = promise;
    this.#end = resolve;
    this.#tell({ type: "open", session: number, group, budgetBytes, timeLimitMs });
  }

  /** @throws TypeError before the session was opened. */
  get adapter(): RemoteAdapterDescription {
    if (this.#adapter === undefined) throw new TypeError("The session is not open yet");
    return this.#adapter;
  }

  opened(adapter: RemoteAdapterDescription): void {
    this.#adapter = adapter;
  }

  send(message: Message): void {
    if (!this.#isOpen) return;
    try {
      if (this.#unread.bytes > this.options.budgetBytes + maxUnreadBytes)
        throw new Error("More was sent than the device can take so fast");
      const { header: data, attachments } = message;
      const header: ToHost = { type: "data", session: this.#number, data };
      this.#port.send({ header, attachments });
      this.#unread.sent(message);
      this.#sent++;
    } catch (error) {
      // One that is too large or too deep for the Port is the client's fault as well.
      this.#refusal = error instanceof Error ? error.message : String(error);
      this.#lose(this.#refusal);
      this.#tell({ type: "close", session: this.#number });
    }
  }

  receive(receiver: (message: Message) => void): void {
    this.#inbox.open(receiver);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#tell({ type: "close", session: this.#number });
  }

  /** A message of the device process for the client. */
  deliver(message: Message): void {
    if (!this.#isOpen) return;
    this.#inbox.put(message);
    if (this.#taken.add(message) && this.#asking === undefined) this.#acknowledge();
  }

  /** The device process has taken so many messages more. */
  taken(messages: number): void {
    this.#unread.taken(messages);
  }

  progressed({ messages, submits }: SessionProgress): void {
    this.#handled = messages;
    this.#submits = submits;
  }

  /** The device process may have work of it. What it has done is known a tenth of a second later. */
  get isBusy(): boolean {
    return this.#sent > this.#handled || this.#submits > 0;
  }

  /** The device process has nothing of the session any more. @param why null where that was wanted. */
  hasEnded(why: string | null): void {
    const message = this.#refusal ?? why;
    if (message !== null) this.#lose(message);
    this.#finish(message === null ? { type: "closed" } : { type: "refused", message });
  }

  /** The device process is gone. */
  lost(end: SessionEnd): void {
    this.#lose(end.type === "closed" ? "The device process has stopped" : end.message);
    this.#finish(end);
  }

  #finish(end: SessionEnd): void {
    this.#isOpen = false;
    clearTimeout(this.#asking);
    this.#end(end);
  }

  #lose(message: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const header: AnswersHeader = { lost: { reason: "unknown", message } };
    this.#inbox.put({ header, attachments: [] });
  }

  #acknowledge(): void {
    const { queuedBytes } = this.options;
    this.#asking = undefined;
    if (queuedBytes !== undefined && queuedBytes() > maxClientBytes)
      this.#asking = setTimeout(() => this.#acknowledge(), askAgainMs);
    else this.#tell({ type: "taken", session: this.#number, messages: this.#taken.report() });
  }

  #tell(header: ToHost): void {
    this.#port.send(only(header));
  }
}
