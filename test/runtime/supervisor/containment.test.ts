/** Containment against a simulated device: guilty jobs lose it whenever they run, as a loop or as a crash. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Loss } from "../../../runtime/supervisor/blame.ts";
import { maxTries } from "../../../runtime/supervisor/blame.ts";
import { Containment, type Job } from "../../../runtime/supervisor/containment.ts";

class Call implements Job {
  readonly subject: string;
  readonly fault: "none" | "loops" | "crashes";
  losses = 0;
  isAlone = false;
  tries = 0;
  outcome: "answered" | "blamed" | "given-up" | undefined;

  constructor(subject: string, fault: Call["fault"] = "none") {
    this.subject = subject;
    this.fault = fault;
  }
}

const names = (jobs: readonly Call[]) => jobs.map(({ subject }) => subject);

function open(): Containment<Call> {
  const containment = new Containment<Call>();
  expect(containment.up()).toEqual([]);
  return containment;
}

describe("jobs", () => {
  test("go at once while all is well, and wait while the device is away", () => {
    const containment = open();
    expect(containment.arrive(new Call("a"))).toBe(true);
    containment.down();
    expect(containment.arrive(new Call("b"))).toBe(false);
    containment.lose({ type: "killed" }, 0);
    expect(containment.waiting).toBe(2);
  });

  test("that cannot run on another device are taken out of all queues", () => {
    const containment = open();
    const [a, b, c, d] = [new Call("a"), new Call("b"), new Call("c"), new Call("d")];
    for (const job of [a, b]) containment.arrive(job);
    containment.lose({ type: "crash" }, 0);
    for (const job of [c, d]) containment.arrive(job);
    expect(names(containment.withdrawAll((job) => job === a || job === d))).toEqual(["a", "d"]);
    expect(containment.waiting).toBe(2);
    expect(names(containment.up())).toEqual(["b"]);
    expect(names(containment.finish(b))).toEqual(["c"]);
  });

  test("of a lost device run alone one after another, before what has come meanwhile", () => {
    const containment = open();
    const [a, b, later] = [new Call("a"), new Call("b"), new Call("later")];
    containment.arrive(a);
    containment.arrive(b);
    expect(containment.lose({ type: "crash" }, 0)).toEqual([]);
    expect(containment.arrive(later)).toBe(false);
    expect(names(containment.up())).toEqual(["a"]);
    expect(a.isAlone).toBe(true);
    expect(containment.arrive(new Call("last"))).toBe(false);
    expect(names(containment.finish(a))).toEqual(["b"]);
    expect(names(containment.finish(b))).toEqual(["later", "last"]);
    expect(containment.arrive(new Call("calm"))).toBe(true);
  });

  test("that are innocent run again together, before the suspects", () => {
    const containment = open();
    const jobs = ["x", "y", "behind", "behind too"].map((subject) => new Call(subject));
    for (const job of jobs) containment.arrive(job);
    const [x, y, behind, behindToo] = jobs as [Call, Call, Call, Call];
    containment.lose({ type: "time-limit", overdue: new Set([x, y]), isAlone: false }, 0);
    expect(names(containment.up())).toEqual(["behind", "behind too"]);
    expect(containment.finish(behind)).toEqual([]);
    expect(names(containment.finish(behindToo))).toEqual(["x"]);
    expect(names(containment.finish(x))).toEqual(["y"]);
  });

  test("that wait can be withdrawn; those at the device cannot", () => {
    const containment = open();
    const [sent, waiting] = [new Call("sent"), new Call("waiting")];
    containment.arrive(sent);
    expect(containment.withdraw(sent)).toBe(false);
    containment.down();
    containment.arrive(waiting);
    expect(containment.withdraw(waiting)).toBe(true);
    expect(containment.waiting).toBe(0);
  });
});

test("suspects of a Program that was blamed before come last, and after three times they do not run again", () => {
  const containment = open();
  const loops = Array.from({ length: 5 }, () => new Call("loop", "loops"));
  for (const job of [...loops, new Call("other")]) containment.arrive(job);
  const first = loops[0]!;
  const lose = (job: Call) =>
    containment
      .lose({ type: "time-limit", overdue: new Set([job]), isAlone: true }, 0)
      .map(({ verdict }) => verdict);
  expect(lose(first)).toEqual(["blamed"]);
  const [other] = containment.up();
  expect(other?.subject).toBe("other");
  const [second] = containment.finish(other!);
  expect(second?.subject).toBe("loop");
  expect(lose(second!)).toEqual(["blamed"]);
  const [third] = containment.up();
  // The third strike: the two that are left fail with it.
  expect(lose(third!)).toEqual(["blamed", "given-up", "given-up"]);
  expect(containment.waiting).toBe(0);
});

/** Runs everything to its end. Rounds hold what was sent together; a fault takes the whole device with it. */
function simulate(arrivals: readonly Call[][], kills: readonly number[]): { losses: number } {
  const containment = open();
  let device: Call[] = [];
  let losses = 0;
  let step = 0;
  const send = (jobs: readonly Call[]) => {
    for (const job of jobs) job.tries++;
    device.push(...jobs);
  };
  const lose = (loss: Loss<Call>) => {
    losses++;
    device = [];
    for (const { job, verdict } of containment.lose(loss, 0)) job.outcome = verdict;
    send(containment.up());
  };
  const pending = arrivals.map((group) => [...group]);
  for (; pending.length > 0 || device.length > 0; step++) {
    if (step > 10_000) throw new Error("it does not come to an end");
    for (const job of pending.shift() ?? []) if (containment.arrive(job)) send([job]);
    if (kills.includes(step)) {
      lose({ type: "killed" });
      continue;
    }
    // What has come together is a round of up to three.
    const round = device.slice(0, 3);
    const crash = round.find(({ fault }) => fault === "crashes");
    const loop = round.find(({ fault }) => fault === "loops");
    if (crash !== undefined) lose({ type: "crash" });
    else if (loop !== undefined)
      lose({ type: "time-limit", overdue: new Set(round), isAlone: round.length === 1 });
    else {
      device = device.slice(round.length);
      for (const job of round) {
        job.outcome = "answered";
        send(containment.finish(job));
      }
    }
  }
  expect(containment.waiting).toBe(0);
  return { losses };
}

const call = fc
  .record({
    subject: fc.integer({ min: 0, max: 5 }),
    fault: fc.constantFrom("none", "none", "none", "none", "loops", "crashes"),
  })
  .map(({ subject, fault }) => new Call(`${fault}-${subject}`, fault as Call["fault"]));
const groups = fc.array(fc.array(call, { maxLength: 6 }), { maxLength: 8 });

test("whatever comes in whatever order, the innocent are answered, the guilty are not, and nothing runs forever", () => {
  fc.assert(
    fc.property(groups, (arrivals) => {
      const calls = arrivals.flat();
      simulate(arrivals, []);
      for (const { fault, outcome, tries } of calls) {
        expect(tries).toBeLessThanOrEqual(maxTries);
        if (fault === "none") expect(outcome).toBe("answered");
        else expect(["blamed", "given-up"]).toContain(outcome);
      }
    }),
  );
});

test("two kills from outside cost no innocent call", () => {
  fc.assert(
    fc.property(groups, fc.uniqueArray(fc.nat(20), { maxLength: 2 }), (arrivals, kills) => {
      const calls = arrivals.flat().filter(({ fault }) => fault === "none");
      simulate([calls.slice(0, 4), calls.slice(4)], kills);
      for (const { outcome } of calls) expect(outcome).toBe("answered");
    }),
  );
});
