/**
 * Seeded numbers for weights: the same seed and name give the same bytes on every machine.
 * Uniform, since a hundred million of them are drawn at a time. No use where unpredictability matters.
 */

/** Fills `target` uniformly from [-limit, limit) around `center`. */
export function fillUniform(
  target: Float32Array,
  seed: number,
  name: string,
  limit: number,
  center = 0,
): void {
  let state = hash(seed, name);
  for (let index = 0; index < target.length; index += 1) {
    // Mulberry32: a counter and three rounds of mixing; passes the usual statistical tests.
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const unit = ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    target[index] = center + limit * (2 * unit - 1);
  }
}

/** FNV-1a over the seed's bytes and the name: each tensor has a sequence of its own, whatever the order. */
function hash(seed: number, name: string): number {
  let value = 0x811c9dc5;
  const mix = (byte: number) => {
    value = Math.imul(value ^ byte, 0x01000193);
  };
  for (let shift = 0; shift < 32; shift += 8) mix((seed >>> shift) & 0xff);
  for (const byte of new TextEncoder().encode(name)) mix(byte);
  return value;
}
