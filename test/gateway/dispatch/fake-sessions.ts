/** Sessions of a CPU lane in memory: notes what they are told in order, and ends runs when a test says so. */
import type { LaneSessions } from "../../../gateway/dispatch/cpu-lane.ts";
import type { Tensor } from "../../../kernels/tensor.ts";
import type { SessionCall, SessionModel, SessionRun } from "../../../runtime/supervisor/session-processes.ts";

interface Running {
  readonly id: string;
  readonly settle: PromiseWithResolvers<SessionRun>;
}

export class FakeSessions implements LaneSessions {
  /** `open a`, `run a`, `close a`. */
  readonly told: string[] = [];
  readonly opened = new Set<string>();
  readonly running: Running[] = [];
  /** That runs were given. */
  readonly limits = new Set<number>();
  /** Thrown by openings while set. */
  openFailure: Error | undefined;
  readonly #onClosed: (id: string) => void;

  constructor(onClosed: (id: string) => void) {
    this.#onClosed = onClosed;
  }

  async open({ id }: SessionModel): Promise<number> {
    if (this.opened.has(id)) return 0;
    this.told.push(`open ${id}`);
    if (this.openFailure !== undefined) throw this.openFailure;
    this.opened.add(id);
    return 100;
  }

  run({ id }: SessionModel, { limitMs }: SessionCall): Promise<SessionRun> {
    this.limits.add(limitMs);
    this.told.push(`run ${id}`);
    const settle = Promise.withResolvers<SessionRun>();
    this.running.push({ id, settle });
    return settle.promise;
  }

  async close({ id }: Pick<SessionModel, "id">): Promise<void> {
    this.told.push(`close ${id}`);
    this.ends(id);
  }

  async stop(): Promise<void> {}

  /** Its process has ended, or nobody has called it for long. */
  ends(id: string): void {
    this.opened.delete(id);
    this.#onClosed(id);
  }

  /** Ends the oldest run of a model. */
  end(id: string, result: number | Error, outputs: ReadonlyMap<string, Tensor> = new Map()): void {
    const index = this.running.findIndex((one) => one.id === id);
    const [{ settle }] = this.running.splice(index, 1) as [Running];
    if (result instanceof Error) settle.reject(result);
    else settle.resolve({ outputs: new Map(outputs), loadMs: 0, queueMs: 0, executeMs: result });
  }
}
