/** How the processor time of a process is shared out among its requests. */
import { expect, test } from "vitest";
import { ProcessorAccount } from "../../../gateway/handlers/processor-account.ts";

const call = () => ({ cpuMs: 0 });

test("a request alone is charged all that its process spends", () => {
  const account = new ProcessorAccount();
  const one = call();
  account.begin(one);
  expect(account.charge(100, 0, 50)).toEqual([]);
  expect(account.charge(140, 50, 50)).toEqual([]);
  expect(account.charge(151, 100, 50)).toEqual([one]);
  expect(one.cpuMs).toBe(51);
});

test("requests at a time share the time, and those that have ended are charged no more", () => {
  const account = new ProcessorAccount();
  const [first, second] = [call(), call()];
  account.begin(first);
  account.charge(0, 0, 1000);
  account.begin(second);
  account.charge(40, 50, 1000);
  account.end(first, true);
  account.charge(80, 100, 1000);
  expect([first.cpuMs, second.cpuMs]).toEqual([20, 60]);
});

test("what its caller gave up is charged until the process rests", () => {
  const account = new ProcessorAccount();
  const one = call();
  account.begin(one);
  account.charge(0, 0, 100);
  account.end(one, false);
  expect(account.isEmpty).toBe(false);
  account.charge(50, 50, 100);
  expect(account.charge(101, 100, 100)).toEqual([one]);
  account.charge(102, 150, 1000);
  expect(account.isEmpty).toBe(true);
});

test("what was spent before the first look is nobody's", () => {
  const account = new ProcessorAccount();
  const one = call();
  account.begin(one);
  account.charge(5000, 0, 100);
  expect(one.cpuMs).toBe(0);
});

test("what was spent while nothing ran is nobody's either", () => {
  const account = new ProcessorAccount();
  const [first, second] = [call(), call()];
  account.begin(first);
  account.charge(0, 0, 100);
  account.end(first, true);
  account.begin(second);
  account.charge(5000, 1000, 100);
  expect(account.charge(5050, 1050, 100)).toEqual([]);
  expect(second.cpuMs).toBe(50);
});

test("what is spent while there is no request is counted until the process rests", () => {
  const account = new ProcessorAccount();
  account.charge(0, 0, 100);
  account.charge(50, 50, 100);
  account.charge(100, 100, 100);
  expect(account.nobodysMs).toBe(100);
  account.charge(101, 150, 100);
  expect(account.nobodysMs).toBe(0);
  // A request's own time is not nobody's.
  account.begin(call());
  account.charge(150, 200, 100);
  account.charge(200, 250, 100);
  expect(account.nobodysMs).toBe(0);
});
