/**
 * This side of a worker: the MessagePort to it, used as it is (by Comlink) or as a Port, and the news of its end.
 * How a worker is started is in posix-worker.ts and browser.ts.
 */
import { MessagePortPort } from "../port/message-port.ts";
import type { Port } from "../port/port.ts";
import type { ChildWorker } from "./platform.ts";

export class WorkerLink implements ChildWorker {
  readonly messagePort: MessagePort;
  readonly #terminate: () => unknown;
  #port: MessagePortPort | undefined;
  #hasEnded = false;

  constructor(messagePort: MessagePort, terminate: () => unknown) {
    this.messagePort = messagePort;
    this.#terminate = terminate;
  }

  get port(): Port {
    if (this.#port === undefined) {
      this.#port = new MessagePortPort(this.messagePort);
      if (this.#hasEnded) this.#port.close();
    }
    return this.#port;
  }

  /** To be called when the worker is gone. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#port?.close();
    this.messagePort.close();
    // A port that is closed on this side gets no event, nor does one whose thread died in every browser.
    this.messagePort.dispatchEvent(new Event("close"));
  }

  async terminate(): Promise<void> {
    this.end();
    await this.#terminate();
  }
}
