/**
 * How fast weights come in, in bytes a millisecond with the bus for themselves: by class of devices, and of each device as
 * far as it differs. What a device has shown counts while it is recent: one that looked slow once would never be tried
 * again else, and so never be seen to be fast.
 */
import { Samples } from "./samples.ts";

/** Loads of others, each, after which what a device has shown is out of date. */
const recentLoads = 16;

/** Of the devices of a class. */
export class ClassLoadRates {
  /** Devices that have measured anything. */
  devices = 0;
  readonly samples = new Samples();
}

/** Of one device. */
export class LoadRates {
  readonly #class: ClassLoadRates;
  readonly #own = new Samples();
  /** Measurements of the class when the last one was made here. */
  #lastAt = 0;

  constructor(ofClass: ClassLoadRates) {
    this.#class = ofClass;
  }

  add(rate: number): void {
    const { samples } = this.#class;
    if (this.#own.isEmpty) this.#class.devices++;
    this.#own.add(rate);
    samples.add(rate);
    this.#lastAt = samples.count;
  }

  /** @returns undefined where nothing was measured. */
  get median(): number | undefined {
    const { samples, devices } = this.#class;
    if (samples.isEmpty) return undefined;
    const isRecent = !this.#own.isEmpty && samples.count - this.#lastAt <= recentLoads * devices;
    return (isRecent ? this.#own : samples).median;
  }
}
