/**
 * The receiving half of every Port: keeps messages until there is a receiver, then passes each on at once.
 * A receiver that throws is a defect of ours and shows as an uncaught error; it does not look like a bad message.
 */
import type { Message } from "./port.ts";

export class Inbox {
  #receiver: ((message: Message) => void) | undefined;
  #waiting: Message[] = [];

  put(message: Message): void {
    if (!this.#receiver) {
      this.#waiting.push(message);
      return;
    }
    try {
      this.#receiver(message);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** Sets the receiver and delivers what has waited. */
  open(receiver: (message: Message) => void): void {
    this.#receiver = receiver;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.put(message);
  }
}
