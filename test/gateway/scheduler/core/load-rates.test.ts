import { expect, test } from "vitest";
import { ClassLoadRates, LoadRates } from "../../../../gateway/scheduler/core/load-rates.ts";

function devices(count: number) {
  const ofClass = new ClassLoadRates();
  return Array.from({ length: count }, () => new LoadRates(ofClass));
}

test("a device that has shown nothing is as fast as its class", () => {
  const [a, b, other] = [...devices(2), ...devices(1)];
  expect(a!.median).toBeUndefined();
  for (const rate of [4, 5, 6]) a!.add(rate);
  expect(b!.median).toBe(5);
  expect(other!.median).toBeUndefined();
});

test("one that differs is known by what it has shown", () => {
  const [fast, slow] = devices(2);
  for (let i = 0; i < 20; i++) {
    fast!.add(10);
    slow!.add(2);
  }
  expect([fast!.median, slow!.median]).toEqual([10, 2]);
});

test("one that looked slow once is given another chance, when the others have loaded many times each", () => {
  const [a, b, slow] = devices(3);
  slow!.add(0.1);
  for (let i = 0; i < 24; i++) for (const one of [a!, b!]) one.add(10);
  expect(slow!.median).toBe(0.1);
  a!.add(10);
  expect(slow!.median).toBe(10);
  slow!.add(0.1);
  expect(slow!.median).toBe(0.1);
  // It was the first time that it was not.
  slow!.add(10);
  slow!.add(10);
  slow!.add(10);
  expect(slow!.median).toBe(10);
});
