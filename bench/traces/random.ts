/**
 * Streams of random numbers for traces: as many independent ones as a trace has functions. `seededRandom` has 32 bits of
 * state, on one cycle that all its seeds share: of thousands of streams with a million draws, some would repeat others.
 * This is sfc32 (Doty-Humphrey, PractRand): 128 bits of state, a quarter of them a counter. No use where
 * unpredictability matters.
 */

/** Numbers in [0, 1), multiples of 2^-32. */
export type Random = () => number;

/**
 * @param seed of the trace: whole, of 32 bits.
 * @param stream for one, the function that it is for: whole, of 32 bits. Streams that differ need not be far apart.
 */
export function randomStream(seed: number, stream: number): Random {
  let a = 0;
  let b = seed | 0;
  let c = stream | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // Until each bit of the seeds has reached each bit of the state.
  for (let i = 0; i < 15; i++) next();
  return next;
}

/** Time in milliseconds to the next event of a Poisson process of so many events a millisecond; `Infinity` for none. */
export function exponentialGap(random: Random, perMs: number): number {
  return perMs === 0 ? Infinity : -Math.log(1 - random()) / perMs;
}

/** The numbers below `count`, in an order that is drawn: each is as likely (Fisher and Yates). */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
