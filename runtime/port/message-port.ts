/**
 * Port to a worker thread or a Web Worker, over a MessagePort.
 * The header travels as JSON here too, so that what works in a thread works between processes. Attachments are
 * moved where the sender gives them away and copied otherwise; the receiver always owns what it gets.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { Inbox } from "./inbox.ts";
import type { Message, Port } from "./port.ts";

/** What crosses: a header as JSON with its attachments, or nothing of both as the last message. */
type Wire = { readonly json: string; readonly attachments: readonly Uint8Array[] } | { readonly bye: true };

export class MessagePortPort implements Port {
  readonly closed: Promise<void>;
  readonly #port: MessagePort;
  readonly #inbox = new Inbox();
  readonly #settle: () => void;
  #isOpen = true;

  /** Owns `port` from here on. A carrier that learns of the peer's death by other means calls `close`. */
  constructor(port: MessagePort) {
    this.#port = port;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#settle = resolve;
    port.addEventListener("message", (event: MessageEvent) => this.#take(event.data));
    port.addEventListener("messageerror", () => this.close());
    // Not every browser has this event: hence the last message, and the carrier's own knowledge.
    port.addEventListener("close", () => this.#end());
    port.start();
  }

  send(message: Message): void {
    if (!this.#isOpen) return;
    const json = JSON.stringify(message.header);
    if (json === undefined) throw new TypeError("Cannot send a message whose header has no JSON");
    const moved = new Set<ArrayBuffer>();
    const attachments = message.attachments.map((attachment) => {
      const own = message.given?.includes(attachment) ? wholeBuffer(attachment) : undefined;
      // Not `slice()`, which for a Buffer is the sender's own memory.
      const bytes =
        own && !moved.has(own) ? (attachment as Uint8Array<ArrayBuffer>) : new Uint8Array(attachment);
      moved.add(bytes.buffer);
      return bytes;
    });
    try {
      this.#port.postMessage({ json, attachments } satisfies Wire, [...moved]);
    } catch (cause) {
      throw new DawnletError("PAYLOAD_TOO_LARGE", "Cannot pass a message as its memory cannot be moved", {
        cause,
      });
    }
  }

  receive(receiver: (message: Message) => void): void {
    this.#inbox.open(receiver);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#port.postMessage({ bye: true } satisfies Wire);
    this.#end();
  }

  #end(): void {
    this.#isOpen = false;
    this.#port.close();
    this.#settle();
  }

  #take(data: unknown): void {
    if (!this.#isOpen) return;
    const message = parseWire(data);
    if (message) this.#inbox.put(message);
    else this.#end();
  }
}

/** @returns undefined for the last message, and for anything that no Port sends. */
function parseWire(data: unknown): Message | undefined {
  if (typeof data !== "object" || data === null || !("json" in data) || !("attachments" in data))
    return undefined;
  const { json, attachments } = data;
  if (typeof json !== "string" || !Array.isArray(attachments)) return undefined;
  if (!attachments.every((attachment): attachment is Uint8Array => attachment instanceof Uint8Array))
    return undefined;
  try {
    return { header: JSON.parse(json), attachments };
  } catch {
    return undefined;
  }
}

/** The attachment's memory where it covers all of it and it can be moved. */
function wholeBuffer(attachment: Uint8Array): ArrayBuffer | undefined {
  const { buffer } = attachment;
  return buffer instanceof ArrayBuffer && buffer.byteLength === attachment.byteLength ? buffer : undefined;
}
