/**
 * Bytes of one of several streams over a Port that its receiver has not taken. The Port knows that of all of them
 * together only; so here the receiver says now and then how many messages it has taken.
 */
import type { Message } from "./port.ts";

/** What a message takes beside its content. */
const messageBytes = 256;
/** Nothing is said before there are this many. */
const reportedMessages = 64;
const reportedBytes = 2 ** 20;

/** The sender's side. */
export class Unread {
  /** Of messages in the order in which they were sent. */
  #sizes: number[] = [];
  #first = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  sent(message: Message): void {
    const size = sizeOf(message);
    this.#sizes.push(size);
    this.#bytes += size;
  }

  /** @param messages how many more the receiver has taken. More than were sent count as all. */
  taken(messages: number): void {
    const end = Math.min(this.#sizes.length, this.#first + messages);
    for (; this.#first < end; this.#first++) this.#bytes -= this.#sizes[this.#first]!;
    if (this.#first < 1024 && this.#first < this.#sizes.length) return;
    this.#sizes = this.#sizes.slice(this.#first);
    this.#first = 0;
  }
}

/** The receiver's side: when it is time to say so. */
export class Taken {
  #messages = 0;
  #bytes = 0;

  /** @returns whether `report` is due. */
  add({ attachments }: Message): boolean {
    this.#messages++;
    for (const { byteLength } of attachments) this.#bytes += byteLength;
    return this.#messages >= reportedMessages || this.#bytes >= reportedBytes;
  }

  /** @returns messages since the last report. */
  report(): number {
    const messages = this.#messages;
    this.#messages = 0;
    this.#bytes = 0;
    return messages;
  }
}

function sizeOf({ header, attachments }: Message): number {
  let bytes = messageBytes + (JSON.stringify(header)?.length ?? 0);
  for (const { byteLength } of attachments) bytes += byteLength;
  return bytes;
}
