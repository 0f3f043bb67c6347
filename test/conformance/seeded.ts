/** Float32 values between -1 and 1, the same in every run (mulberry32). */
export function seededFloats(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * 2 - 1;
  });
}

/** Numbers in [0, 1), the same ones for a seed everywhere. */
export function seededRandom(seed: number): () => number {
  const numbers = seededFloats(4096, seed);
  let at = 0;
  return () => Math.abs(numbers[at++ % numbers.length]!) % 1;
}
