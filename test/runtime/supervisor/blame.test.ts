import { describe, expect, test } from "vitest";
import { judge, type Loss, maxTries, type Suspect } from "../../../runtime/supervisor/blame.ts";

const job = (subject: string, history: Partial<Suspect> = {}): Suspect => ({
  subject,
  losses: 0,
  isAlone: false,
  ...history,
});

/** Verdicts in the order of the jobs. */
function verdicts(loss: Loss<Suspect>, ...jobs: Suspect[]): string[] {
  return [...judge(loss, jobs).values()];
}

const overdue = (isAlone: boolean, ...jobs: Suspect[]): Loss<Suspect> => ({
  type: "time-limit",
  overdue: new Set(jobs),
  isAlone,
});

describe("a run that did not end in time", () => {
  test("is blamed where it was alone in its round, and what waited behind it is innocent", () => {
    const [guilty, other] = [job("loop"), job("other")];
    expect(verdicts(overdue(true, guilty), guilty, other)).toEqual(["blamed", "again"]);
  });

  test("makes all of its round suspects where it was not, and nobody else", () => {
    const jobs = [job("a"), job("b"), job("behind")];
    expect(verdicts(overdue(false, ...jobs.slice(0, 2)), ...jobs)).toEqual([
      "again-alone",
      "again-alone",
      "again",
    ]);
  });

  test("is blamed where nothing else was on the device, whatever the device says of its round", () => {
    const lone = job("loop");
    expect(verdicts(overdue(false, lone), lone)).toEqual(["blamed"]);
  });

  test("makes other runs of its Program run alone, as they may do the same", () => {
    const [guilty, twin, other] = [job("loop"), job("loop"), job("other")];
    expect(verdicts(overdue(true, guilty), guilty, twin, other)).toEqual(["blamed", "again-alone", "again"]);
  });
});

describe("a process that ends by itself", () => {
  const crash = { type: "crash" } as const;

  test("makes suspects of all that were there, one alone as well", () => {
    expect(verdicts(crash, job("a"), job("b"))).toEqual(["again-alone", "again-alone"]);
    expect(verdicts(crash, job("a"))).toEqual(["again-alone"]);
  });

  test("is the fault of one that ran alone on purpose", () => {
    expect(verdicts(crash, job("a", { losses: 1, isAlone: true }))).toEqual(["blamed"]);
  });
});

test("a process that does not answer is the fault of what it ran, where that was one thing", () => {
  expect(verdicts({ type: "hang" }, job("a"))).toEqual(["blamed"]);
  expect(verdicts({ type: "hang" }, job("a"), job("b"))).toEqual(["again-alone", "again-alone"]);
});

describe("beside GPU sessions", () => {
  test("all runs are innocent where it was a session whose work did not end", () => {
    expect(verdicts(overdue(true), job("a"), job("b"))).toEqual(["again", "again"]);
    expect(verdicts(overdue(true), job("a"))).toEqual(["again"]);
  });

  test("a lone run need not be what the process hangs in or ends for, nor one alone on purpose beside a session that works", () => {
    for (const type of ["hang", "crash"] as const) {
      const alone = job("a", { isAlone: true });
      expect(verdicts({ type, sessions: "idle" }, job("a"))).toEqual(["again-alone"]);
      expect(verdicts({ type, sessions: "busy" }, alone)).toEqual(["again-alone"]);
      expect(verdicts({ type, sessions: "idle" }, alone)).toEqual(["blamed"]);
    }
  });
});

test("a process that was killed from outside is nobody's fault, until one has been alone there every time", () => {
  const killed = { type: "killed" } as const;
  expect(verdicts(killed, job("a"))).toEqual(["again-alone"]);
  expect(verdicts(killed, job("a", { losses: 1, isAlone: true }))).toEqual(["again-alone"]);
  expect(verdicts(killed, job("a", { losses: 2, isAlone: true }))).toEqual(["blamed"]);
});

test("an innocent run goes with others once, then alone, and then no more", () => {
  const guilty = job("loop");
  for (const [losses, expected] of ["again", "again-alone", "given-up"].entries())
    expect(verdicts(overdue(true, guilty), guilty, job("other", { losses }))[1]).toBe(expected);
  expect(maxTries).toBe(3);
});
