/**
 * Prometheus histograms that are cheap to observe. prom-client checks and hashes the labels on each
 * observation (1 µs and more, several times a call); here a label set is looked up once and observing is an
 * addition. They write their own text, to follow that of a prom-client registry.
 */

/** Seconds: from a tiny kernel to a cold start. */
const upperBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Observations of one set of labels. */
class Tally {
  /** By bucket, not summed up; the last is what exceeds all bounds. */
  readonly counts = new Float64Array(upperBounds.length + 1);
  sum = 0;

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < upperBounds.length && seconds > upperBounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += seconds;
  }
}

export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  /** A label whose values come and go (functions), and one of few values (codes, hops). */
  readonly labels: readonly [string, string];
}

/** Label values are written as they are: names of functions, statuses and hops need no escapes. */
export class LabelledHistogram {
  readonly #options: HistogramOptions;
  readonly #tallies = new Map<string, Map<string | number, Tally>>();

  constructor(options: HistogramOptions) {
    this.#options = options;
  }

  observe(first: string, second: string | number, seconds: number): void {
    let known = this.#tallies.get(first);
    if (known === undefined) {
      known = new Map();
      this.#tallies.set(first, known);
    }
    let tally = known.get(second);
    if (tally === undefined) {
      tally = new Tally();
      known.set(second, tally);
    }
    tally.observe(seconds);
  }

  /** Forgets all other values of the first label. */
  retain(first: ReadonlySet<string>): void {
    for (const key of this.#tallies.keys()) if (!first.has(key)) this.#tallies.delete(key);
  }

  /** In Prometheus' text format 0.0.4, with a line feed at the end. */
  text(): string {
    const { name, help, labels } = this.#options;
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    for (const [first, known] of this.#tallies) {
      for (const [second, tally] of known) {
        lines.push(...sampleLines(name, `${labels[0]}="${first}",${labels[1]}="${second}"`, tally));
      }
    }
    return `${lines.join("\n")}\n`;
  }
}

function sampleLines(name: string, labels: string, { counts, sum }: Tally): string[] {
  let count = 0;
  const lines = [...counts].map((inBucket, bucket) => {
    count += inBucket;
    return `${name}_bucket{${labels},le="${upperBounds[bucket] ?? "+Inf"}"} ${count}`;
  });
  return [...lines, `${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${count}`];
}
