import { describe, expect, it } from "vitest";
import { exponentialGap, randomStream, shuffled } from "../../../bench/traces/random.ts";
import { expectCount } from "./chance.ts";

const draw = (seed: number, stream: number, count: number) =>
  Array.from({ length: count }, randomStream(seed, stream));

describe("randomStream()", () => {
  it("gives the same numbers for a seed and a stream, and others for neighbours of either", () => {
    expect(draw(1, 2, 100)).toEqual(draw(1, 2, 100));
    const others = [draw(2, 2, 100), draw(1, 3, 100), draw(2, 1, 100), draw(-1, 2, 100)];
    for (const other of others) {
      const isShared = draw(1, 2, 100).some((value) => other.includes(value));
      expect(isShared).toBe(false);
    }
  });

  it("fills each tenth of 0 to 1 alike, within a stream and over the first numbers of many", () => {
    const firsts = Array.from({ length: 100_000 }, (_, stream) => randomStream(7, stream)());
    for (const values of [draw(7, 0, 100_000), firsts]) {
      const tenths = new Array<number>(10).fill(0);
      for (const value of values) tenths[Math.floor(value * 10)]!++;
      for (const count of tenths) expectCount(count, 10_000);
    }
  });

  it("gives neighbouring streams numbers that do not go together", () => {
    const [a, b] = [draw(1, 0, 100_000), draw(1, 1, 100_000)];
    const products = a.reduce((sum, value, i) => sum + (value - 0.5) * (b[i]! - 0.5), 0);
    // Each product has mean 0 and variance 1/144: eight standard deviations.
    expect(Math.abs(products)).toBeLessThan((8 * Math.sqrt(100_000)) / 12);
  });
});

describe("exponentialGap()", () => {
  it("has the mean of its rate; without a rate the next event never comes", () => {
    const random = randomStream(1, 0);
    let sum = 0;
    for (let i = 0; i < 100_000; i++) sum += exponentialGap(random, 0.5);
    expectCount(sum / 2, 100_000);
    expect(exponentialGap(random, 0)).toBe(Infinity);
    expect(exponentialGap(() => 0, 0)).toBe(Infinity);
  });
});

it("shuffled() has each number once, and each in each place", () => {
  const places = new Array<number>(25).fill(0);
  for (let seed = 0; seed < 5_000; seed++) {
    const order = shuffled(5, randomStream(seed, 0));
    expect([...order].sort()).toEqual([0, 1, 2, 3, 4]);
    for (const [place, value] of order.entries()) places[place * 5 + value]!++;
  }
  for (const count of places) expectCount(count, 1_000);
});
