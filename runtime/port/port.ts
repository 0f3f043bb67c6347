/**
 * Port: how two processes, threads or workers of Dawnlet talk. Three carriers stand behind it: a socket
 * between processes, a MessagePort to a worker thread, a MessagePort to a Web Worker.
 * It moves plain data and bytes. What the messages mean is in rpc.ts.
 */

/** One message. The header is JSON; attachments are bytes beside it, never encoded as text. */
export interface Message {
  readonly header: unknown;
  readonly attachments: readonly Uint8Array[];
  /**
   * Those of the attachments that the sender gives away: a MessagePort moves their memory instead of copying
   * it, and they are empty for the sender afterwards. Between processes it changes nothing.
   */
  readonly given?: readonly Uint8Array[];
}

/** Received attachments may share one buffer with each other: use them as views, never their `.buffer`. */
export interface Port {
  /**
   * Queues a message. After `close` it does nothing. The sender must not change the attachments afterwards.
   * @throws DawnletError PAYLOAD_TOO_LARGE where the carrier cannot take a message of this size.
   */
  send(message: Message): void;
  /** Sets the one receiver. Messages that came earlier are delivered first. */
  receive(receiver: (message: Message) => void): void;
  /**
   * Calls back once the events that are waiting now have been handled: who gathers until then sends what several
   * connections brought as one message. Absent where the carrier knows no such moment.
   */
  readonly afterTurn?: (callback: () => void) => void;
  /** Bytes that were sent and that the peer has not taken. Absent where the carrier does not know. */
  readonly queuedBytes?: number;
  /** Settles when either side closed or the peer died. Never rejects. */
  readonly closed: Promise<void>;
  close(): void;
}
