/**
 * How long Programs take on one kind of device, as measured there, on however many of them: a swap-in, a run, and the rate of all swap-ins for those that were
 * not measured. Programs are known by their ids, which are made of digests and so mean the same after a restart.
 * Bookkeeping alone: estimate-records.ts keeps it on the disk.
 */

/** Of one Program; what was not measured is left out. */
export interface ProgramFigures {
  readonly id: string;
  readonly loadMs?: number;
  readonly executeMs?: number;
}

/** All that is worth keeping. */
export interface Figures {
  /** Of swap-ins. */
  readonly bytesPerMs?: number;
  /** Those loaded longest ago first. */
  readonly programs: readonly ProgramFigures[];
}

/** Of a new measurement in an estimate. */
const newShare = 0.3;
/** The rate is everybody's, so that one Program changes it less. */
const newShareOfRate = 0.2;
const equalShare = 0.5;
/** 1 GB/s, before anything was measured. */
const assumedBytesPerMs = 1e6;
/** Each takes some 150 bytes of a file. */
const usualLimit = 4_096;

/** What is known of one Program. Undefined: not measured. */
export class Estimate {
  loadMs: number | undefined;
  executeMs: number | undefined;

  constructor({ loadMs, executeMs }: Omit<ProgramFigures, "id"> = {}) {
    this.loadMs = loadMs;
    this.executeMs = executeMs;
  }

  /** @param ms how long a swap-in took, as far as a run waited for it. */
  swappedIn(ms: number): void {
    this.loadMs = mixed(this.loadMs, ms, newShare);
  }

  executed(ms: number): void {
    this.executeMs = mixed(this.executeMs, ms, newShare);
  }

  /** What another device has measured counts as much. */
  merge({ loadMs, executeMs }: Estimate): void {
    if (loadMs !== undefined) this.loadMs = mixed(this.loadMs, loadMs, equalShare);
    if (executeMs !== undefined) this.executeMs = mixed(this.executeMs, executeMs, equalShare);
  }
}

/**
 * Programs that were removed stay until others have taken their places: from here they look like those that were not
 * called yet since the start, and one that is deployed again finds its figures.
 */
export class Estimates {
  readonly #limit: number;
  /** Those loaded longest ago first. */
  readonly #programs = new Map<string, Estimate>();
  #bytesPerMs: number | undefined;

  /** @param limit of Programs. */
  constructor(limit = usualLimit) {
    this.#limit = limit;
  }

  /** Of swap-ins; undefined before the first. */
  get bytesPerMs(): number | undefined {
    return this.#bytesPerMs;
  }

  /** A new one where nothing is known; it is kept from the Program's first load on. */
  of(id: string): Estimate {
    return this.#programs.get(id) ?? new Estimate();
  }

  /**
   * The Program was loaded. The one for which that is longest ago goes, where there are too many.
   * @returns what is known of it from now on: where another device has one already, both in one.
   */
  loaded(id: string, estimate: Estimate): Estimate {
    const kept = this.#programs.get(id) ?? estimate;
    if (kept !== estimate) kept.merge(estimate);
    this.#programs.delete(id);
    this.#programs.set(id, kept);
    const [oldest] = this.#programs.keys();
    if (this.#programs.size > this.#limit && oldest !== undefined) this.#programs.delete(oldest);
    return kept;
  }

  /** @param ms as `Estimate.swappedIn` takes it; more than none, as are the bytes. */
  swappedIn(estimate: Estimate, sizeBytes: number, ms: number): void {
    estimate.swappedIn(ms);
    this.#bytesPerMs = mixed(this.#bytesPerMs, sizeBytes / ms, newShareOfRate);
  }

  /** For a Program whose swap-in was not measured. */
  guessedLoadMs(sizeBytes: number): number {
    return sizeBytes / (this.#bytesPerMs ?? assumedBytesPerMs);
  }

  /** Takes over what was kept. To be called before anything is measured or asked. */
  restore({ bytesPerMs, programs }: Figures): void {
    this.#bytesPerMs = bytesPerMs;
    for (const { id, ...figures } of programs) this.loaded(id, new Estimate(figures));
  }

  figures(): Figures {
    const programs: ProgramFigures[] = [];
    for (const [id, { loadMs, executeMs }] of this.#programs) {
      if (loadMs === undefined && executeMs === undefined) continue;
      programs.push({
        id,
        ...(loadMs !== undefined && { loadMs }),
        ...(executeMs !== undefined && { executeMs }),
      });
    }
    const bytesPerMs = this.#bytesPerMs;
    return { ...(bytesPerMs !== undefined && { bytesPerMs }), programs };
  }
}

/** True where a figure is new, or another by more than `tolerance` of what it was. */
export function haveNews(figures: Figures, before: Figures, tolerance: number): boolean {
  const isNews = (value: number | undefined, old: number | undefined) =>
    value !== undefined && (old === undefined || Math.abs(value - old) > tolerance * old);
  if (isNews(figures.bytesPerMs, before.bytesPerMs)) return true;
  const known = new Map(before.programs.map((one) => [one.id, one]));
  return figures.programs.some(({ id, loadMs, executeMs }) => {
    const old = known.get(id);
    return isNews(loadMs, old?.loadMs) || isNews(executeMs, old?.executeMs);
  });
}

function mixed(before: number | undefined, measured: number, share: number): number {
  return before === undefined ? measured : before + share * (measured - before);
}
