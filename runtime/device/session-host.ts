/**
 * GPU sessions of a device: each a RemoteSession over messages that name it. Watches that the work of each ends in time
 * and counts what it takes; what follows from that, the gateway decides. One session's misdeeds end that session.
 */
import type { Message } from "../port/port.ts";
import { Taken, Unread } from "../port/unread.ts";
import { describeRemote } from "../remote-gpu/server/describe.ts";
import { RemoteSession } from "../remote-gpu/server/session.ts";
import type { Ledger } from "./ledger.ts";
import { SessionGroup } from "./session-group.ts";
import { type FromHost, only, parseToHost, type ToHost } from "./session-messages.ts";
import type { Watchdog } from "./watchdog.ts";

export interface SessionHostOptions {
  readonly device: GPUDevice;
  readonly ledger: Ledger;
  /** Of the device's queue. */
  readonly watchdog: Watchdog;
  /** Takes what is for the gateway. @throws DawnletError PAYLOAD_TOO_LARGE, as Port.send. */
  readonly send: (message: Message) => void;
  /** Called when work was submitted; see `SessionHost.isWaiting`. */
  readonly onWait: () => void;
}

interface Hosted {
  readonly number: number;
  readonly group: SessionGroup;
  readonly timeLimitMs: number;
  readonly remote: RemoteSession;
  readonly unread: Unread;
  readonly taken: Taken;
  /** Messages that were handled. */
  messages: number;
  /** Messages whose work the GPU has not done. */
  submits: number;
  /** Why it ended; undefined while it has not. */
  ended: string | null | undefined;
}

const usageIntervalMs = 100;
/** Messages with work that may lie on the queue at a time. */
const maxSubmits = 4096;

export class SessionHost {
  readonly #options: SessionHostOptions;
  readonly #sessions = new Map<number, Hosted>();
  readonly #groups = new Map<string, SessionGroup>();
  readonly #changed = new Set<SessionGroup>();
  readonly #progressed = new Set<Hosted>();
  #isReporting = false;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #submits = 0;

  constructor(options: SessionHostOptions) {
    this.#options = options;
  }

  /** The GPU has work of sessions. */
  get isWaiting(): boolean {
    return this.#submits > 0;
  }

  /** A message of the gateway. @returns false where no gateway sends such a one. */
  receive({ header, attachments }: Message): boolean {
    const told = parseToHost(header);
    if (told === undefined) return false;
    const hosted = this.#sessions.get(told.session);
    switch (told.type) {
      case "open":
        if (hosted !== undefined) return false;
        this.#open(told);
        break;
      case "data":
        // One that has just ended is not known to have ended over there.
        if (hosted !== undefined) this.#receive(hosted, { header: told.data, attachments });
        break;
      case "taken":
        hosted?.unread.taken(told.messages);
        break;
      case "close":
        hosted?.remote.dispose();
        break;
      default:
        told satisfies never;
    }
    return true;
  }

  #open({
    session: number,
    group: name,
    budgetBytes,
    timeLimitMs,
  }: ToHost & { readonly type: "open" }): void {
    const { device, ledger } = this.#options;
    for (const [other, group] of this.#groups) if (group.isOver) this.#groups.delete(other);
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new SessionGroup(name, budgetBytes, ledger, (changed) => this.#reportSoon(changed));
      this.#groups.set(name, group);
    }
    group.sessions++;
    const unread = new Unread();
    const remote = new RemoteSession({
      device,
      budget: group.budget,
      send: (message) => this.#answer(hosted, message),
      queuedBytes: () => unread.bytes,
      onSubmit: () => this.#submitted(hosted),
      onEnd: (why) => {
        hosted.ended = why ?? null;
        // What the message that it ended in had submitted is counted first.
        queueMicrotask(() => this.#forget(hosted));
      },
    });
    const hosted: Hosted = {
      ...{ number, group, timeLimitMs, remote, unread, taken: new Taken() },
      ...{ messages: 0, submits: 0, ended: undefined },
    };
    this.#sessions.set(number, hosted);
    const adapter = describeRemote(device, group.budget.budgetBytes);
    this.#tell({ type: "opened", session: number, adapter });
  }

  #receive(hosted: Hosted, message: Message): void {
    const { number, group, remote, taken } = hosted;
    const startedAt = performance.now();
    remote.receive(message);
    hosted.messages++;
    this.#progressed.add(hosted);
    group.handled(performance.now() - startedAt);
    if (taken.add(message)) this.#tell({ type: "taken", session: number, messages: taken.report() });
  }

  #answer({ number, unread }: Hosted, message: Message): void {
    const { header: data, attachments } = message;
    this.#options.send({ header: { type: "data", session: number, data } satisfies FromHost, attachments });
    unread.sent(message);
  }

  #submitted(hosted: Hosted): void {
    const { device, watchdog, onWait } = this.#options;
    const watched = watchdog.watch(hosted.timeLimitMs, () =>
      this.#tell({ type: "stuck", session: hosted.number }),
    );
    hosted.submits++;
    this.#submits++;
    const done = (): void => {
      hosted.submits--;
      this.#progressed.add(hosted);
      hosted.group.worked(watched.end());
      this.#submits--;
      this.#forget(hosted);
    };
    device.queue.onSubmittedWorkDone().then(done, done);
    onWait();
    if (hosted.submits > maxSubmits) hosted.remote.lost(`More than ${maxSubmits} submits wait for the GPU`);
  }

  /** Once it has ended and the GPU is done with it. */
  #forget(hosted: Hosted): void {
    const { number, group, ended, submits } = hosted;
    if (ended === undefined || submits > 0 || this.#sessions.get(number) !== hosted) return;
    this.#sessions.delete(number);
    group.sessions--;
    this.#tell({ type: "ended", session: number, why: ended });
  }

  #reportSoon(group: SessionGroup): void {
    this.#changed.add(group);
    if (this.#isReporting) return;
    this.#isReporting = true;
    const waitMs = Math.max(0, this.#reportedAt + usageIntervalMs - performance.now());
    setTimeout(() => {
      this.#isReporting = false;
      this.#reportedAt = performance.now();
      const usage = [...this.#changed].map((changed) => changed.report());
      const progress = [...this.#progressed].map(({ number: session, messages, submits }) => {
        return { session, messages, submits };
      });
      this.#changed.clear();
      this.#progressed.clear();
      this.#tell({ type: "usage", usage, progress });
    }, waitMs);
  }

  #tell(header: FromHost): void {
    this.#options.send(only(header));
  }
}
