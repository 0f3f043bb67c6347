/**
 * The instances of one handler: which of them takes a request, when another is started, and when one has been idle for
 * long enough. Knows nothing of processes: what an instance is, is whoever starts it.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { abortError } from "../../runtime/port/abort-error.ts";

export interface PoolLimits {
  /** Requests that an instance takes at a time. */
  readonly concurrency: number;
  /** Instances at a time. */
  readonly instances: number;
  /** An instance without work ends after this. */
  readonly idleMs: number;
}

export interface PooledInstance {
  /** Work that outlives requests. */
  readonly isBusy: boolean;
  end(): void;
}

export interface PoolOptions<T extends PooledInstance> {
  /** For messages: "function 'x'". */
  readonly subject: string;
  readonly limits: PoolLimits;
  /** Must call `ended` of the pool where what it has started ends by itself. */
  readonly start: () => Promise<T>;
  /** How long a request may wait for a place. Left out: until its caller gives up. */
  readonly waitLimit?: { readonly ms: number; readonly error: () => DawnletError };
  readonly now?: () => number;
}

/** A place in an instance, to be released once. */
export interface Place<T> extends Disposable {
  readonly instance: T;
  /** Time that was waited for it, in milliseconds. */
  readonly waitedMs: number;
}

interface Slot<T> {
  readonly instance: T;
  running: number;
  idleTimer: ReturnType<typeof setTimeout> | undefined;
}

interface Waiter<T> {
  readonly since: number;
  readonly take: (slot: Slot<T>) => void;
  readonly refuse: (error: unknown) => void;
}

/** Waiting requests for each that can run. */
const queueFactor = 8;
const firstBackoffMs = 100;
const longestBackoffMs = 10_000;

export class InstancePool<T extends PooledInstance> {
  readonly #options: PoolOptions<T>;
  readonly #now: () => number;
  readonly #slots = new Map<T, Slot<T>>();
  #waiting: Waiter<T>[] = [];
  #starting = 0;
  /** Of a handler that does not start: until when that is not tried again. */
  #failure: { readonly error: unknown; readonly until: number; readonly backoffMs: number } | undefined;
  #isDisposed = false;

  constructor(options: PoolOptions<T>) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get instances(): readonly T[] {
    return [...this.#slots.keys()];
  }

  get running(): number {
    return this.#slots.values().reduce((sum, { running }) => sum + running, 0);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * A place in the instance that has the least to do, once there is one.
   * @throws DawnletError QUEUE_FULL; why no instance starts; what the signal says.
   */
  take(signal?: AbortSignal): Promise<Place<T>> {
    if (this.#isDisposed) return Promise.reject(this.#goneError());
    if (signal?.aborted) return Promise.reject(abortError(signal, "waiting for an instance"));
    const free = this.#freest();
    if (free !== undefined && this.#waiting.length === 0) return Promise.resolve(this.#occupy(free, 0));
    const failure = this.#recentFailure();
    if (failure !== undefined) return Promise.reject(failure.error);
    const { concurrency, instances } = this.#options.limits;
    const most = queueFactor * concurrency * instances;
    if (this.#waiting.length >= most)
      return Promise.reject(
        new DawnletError(
          "QUEUE_FULL",
          `Cannot call ${this.#options.subject} as ${most} requests wait for it already`,
        ),
      );
    return new Promise((resolve, reject) => {
      const since = this.#now();
      const settled = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", giveUp);
      };
      const waiter: Waiter<T> = {
        since,
        take: (slot) => {
          settled();
          resolve(this.#occupy(slot, this.#now() - since));
        },
        refuse: (error) => {
          settled();
          reject(error);
        },
      };
      const leave = (error: DawnletError): void => {
        this.#waiting = this.#waiting.filter((one) => one !== waiter);
        waiter.refuse(error);
      };
      const giveUp = (): void => leave(abortError(signal!, "waiting for an instance"));
      const { waitLimit } = this.#options;
      const timer = waitLimit && setTimeout(() => leave(waitLimit.error()), waitLimit.ms);
      signal?.addEventListener("abort", giveUp, { once: true });
      this.#waiting.push(waiter);
      this.#grow();
    });
  }

  /** Starts an instance, where there is none. @throws as `take`. */
  async warm(): Promise<void> {
    if (this.#slots.size > 0) return;
    using _place = await this.take();
  }

  /** An instance has ended by itself, or is about to. */
  ended(instance: T): void {
    const slot = this.#slots.get(instance);
    if (slot === undefined) return;
    clearTimeout(slot.idleTimer);
    this.#slots.delete(instance);
    this.#grow();
  }

  /** Something about `isBusy` has changed. */
  noteBusy(instance: T): void {
    const slot = this.#slots.get(instance);
    if (slot !== undefined) this.#watchIdle(slot);
  }

  /** Ends all instances; what waits is refused. */
  dispose(): void {
    this.#isDisposed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.refuse(this.#goneError());
    for (const { instance, idleTimer } of [...this.#slots.values()]) {
      clearTimeout(idleTimer);
      instance.end();
    }
    this.#slots.clear();
  }

  #freest(): Slot<T> | undefined {
    let freest: Slot<T> | undefined;
    for (const slot of this.#slots.values())
      if (slot.running < (freest?.running ?? this.#options.limits.concurrency)) freest = slot;
    return freest;
  }

  #recentFailure(): { readonly error: unknown } | undefined {
    const isOver = this.#failure === undefined || this.#now() >= this.#failure.until;
    return isOver || this.#slots.size > 0 || this.#starting > 0 ? undefined : this.#failure;
  }

  #occupy(slot: Slot<T>, waitedMs: number): Place<T> {
    slot.running++;
    clearTimeout(slot.idleTimer);
    slot.idleTimer = undefined;
    let isReleased = false;
    return {
      instance: slot.instance,
      waitedMs,
      [Symbol.dispose]: () => {
        if (isReleased) return;
        isReleased = true;
        slot.running--;
        if (this.#slots.get(slot.instance) !== slot) return;
        this.#serve();
        this.#watchIdle(slot);
      },
    };
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const slot = this.#freest();
      if (slot === undefined) return;
      this.#waiting.shift()!.take(slot);
    }
  }

  /** Starts as many instances as those that wait would fill. */
  #grow(): void {
    const { concurrency, instances } = this.#options.limits;
    while (
      !this.#isDisposed &&
      this.#slots.size + this.#starting < instances &&
      this.#waiting.length > this.#starting * concurrency
    )
      void this.#start();
  }

  async #start(): Promise<void> {
    this.#starting++;
    try {
      const instance = await this.#options.start();
      this.#starting--;
      if (this.#isDisposed) return instance.end();
      this.#failure = undefined;
      const slot: Slot<T> = { instance, running: 0, idleTimer: undefined };
      this.#slots.set(instance, slot);
      this.#serve();
      this.#watchIdle(slot);
    } catch (error) {
      this.#starting--;
      const backoffMs = Math.min(longestBackoffMs, 2 * (this.#failure?.backoffMs ?? firstBackoffMs / 2));
      this.#failure = { error, backoffMs, until: this.#now() + backoffMs };
      // Others may still come up, or have places soon.
      if (this.#slots.size + this.#starting > 0) return;
      for (const waiter of this.#waiting.splice(0)) waiter.refuse(error);
    }
  }

  #watchIdle(slot: Slot<T>): void {
    clearTimeout(slot.idleTimer);
    slot.idleTimer = undefined;
    if (slot.running > 0 || slot.instance.isBusy) return;
    slot.idleTimer = setTimeout(() => {
      this.#slots.delete(slot.instance);
      slot.instance.end();
    }, this.#options.limits.idleMs);
    (slot.idleTimer as { unref?: () => void }).unref?.();
  }

  #goneError(): DawnletError {
    return new DawnletError("NOT_FOUND", `Cannot call ${this.#options.subject} as it was removed`);
  }
}
