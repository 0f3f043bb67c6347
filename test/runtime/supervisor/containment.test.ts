/** Containment against a simulated device: guilty jobs lose it whenever they run, as a loop or as a crash. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Loss } from "../../../runtime/supervisor/blame.ts";
import { maxTries } from "../../../runtime/supervisor/blame.ts";
import { Containment, type Failed, type Job } from "../../../runtime/supervisor/containment.ts";

class Call implements Job {
  readonly subject: string;
  readonly fault: "none" | "loops" | "crashes";
  readonly isBound: boolean;
  readonly isRun: boolean;
  losses = 0;
  isAlone = false;
  tries = 0;
  outcome: "answered" | Failed<Call>["verdict"] | undefined;

  constructor(subject: string, fault: Call["fault"] = "none", { isBound = false, isRun = true } = {}) {
    this.subject = subject;
    this.fault = fault;
    this.isBound = isBound;
    this.isRun = isRun;
  }
}

const names = (jobs: readonly Call[]) => jobs.map(({ subject }) => subject);

const bound = { isBound: true };

function open(): Containment<Call> {
  const containment = new Containment<Call>();
  expect(containment.up(0)).toEqual([]);
  return containment;
}

describe("jobs", () => {
  test("go at once while all is well, and wait while the device is away", () => {
    const containment = open();
    expect(containment.arrive(new Call("a"), 0)).toBe(true);
    containment.down();
    expect(containment.arrive(new Call("b"), 0)).toBe(false);
    containment.lose({ type: "killed" }, 0);
    expect(containment.waiting).toBe(2);
  });

  test("that cannot run on another device fail with theirs, whether they were sent or waited", () => {
    const containment = open();
    const [a, b] = [new Call("a", "none", bound), new Call("b")];
    const [c, d] = [new Call("c"), new Call("d", "none", bound)];
    for (const job of [a, b]) containment.arrive(job, 0);
    containment.down();
    for (const job of [c, d]) containment.arrive(job, 0);
    expect(containment.lose({ type: "crash" }, 0)).toEqual([
      { job: a, verdict: "gone" },
      { job: d, verdict: "gone" },
    ]);
    expect(containment.waiting).toBe(2);
    expect(names(containment.up(0))).toEqual(["b"]);
    expect(names(containment.finish(b, true, 0))).toEqual(["c"]);
  });

  test("of a lost device run alone one after another, before what has come meanwhile", () => {
    const containment = open();
    const [a, b, later] = [new Call("a"), new Call("b"), new Call("later")];
    containment.arrive(a, 0);
    containment.arrive(b, 0);
    expect(containment.lose({ type: "crash" }, 0)).toEqual([]);
    expect(containment.arrive(later, 0)).toBe(false);
    expect(names(containment.up(0))).toEqual(["a"]);
    expect(a.isAlone).toBe(true);
    expect(containment.arrive(new Call("last"), 0)).toBe(false);
    expect(names(containment.finish(a, true, 0))).toEqual(["b"]);
    expect(names(containment.finish(b, true, 0))).toEqual(["later", "last"]);
    expect(containment.arrive(new Call("calm"), 0)).toBe(true);
  });

  test("that are innocent run again together, before the suspects", () => {
    const containment = open();
    const jobs = ["x", "y", "behind", "behind too"].map((subject) => new Call(subject));
    for (const job of jobs) containment.arrive(job, 0);
    const [x, y, behind, behindToo] = jobs as [Call, Call, Call, Call];
    containment.lose({ type: "time-limit", overdue: new Set([x, y]), isAlone: false }, 0);
    expect(names(containment.up(0))).toEqual(["behind", "behind too"]);
    expect(containment.finish(behind, true, 0)).toEqual([]);
    expect(names(containment.finish(behindToo, true, 0))).toEqual(["x"]);
    expect(names(containment.finish(x, true, 0))).toEqual(["y"]);
  });

  test("that wait can be withdrawn; those at the device cannot", () => {
    const containment = open();
    const [sent, waiting] = [new Call("sent"), new Call("waiting")];
    containment.arrive(sent, 0);
    expect(containment.withdraw(sent)).toBe(false);
    containment.down();
    containment.arrive(waiting, 0);
    expect(containment.withdraw(waiting)).toBe(true);
    expect(containment.waiting).toBe(0);
  });
});

test("suspects of a Program that was blamed before come last, and after three times they do not run again", () => {
  const containment = open();
  const loops = Array.from({ length: 5 }, () => new Call("loop", "loops"));
  for (const job of [...loops, new Call("other")]) containment.arrive(job, 0);
  const first = loops[0]!;
  const lose = (job: Call) =>
    containment
      .lose({ type: "time-limit", overdue: new Set([job]), isAlone: true }, 0)
      .map(({ verdict }) => verdict);
  expect(lose(first)).toEqual(["blamed"]);
  const [other] = containment.up(0);
  expect(other?.subject).toBe("other");
  const [second] = containment.finish(other!, true, 0);
  expect(second?.subject).toBe("loop");
  expect(lose(second!)).toEqual(["blamed"]);
  const [third] = containment.up(0);
  // The third strike: the two that are left fail with it.
  expect(lose(third!)).toEqual(["blamed", "given-up", "given-up"]);
  expect(containment.waiting).toBe(0);
});

describe("after a suspect that could not run again", () => {
  /** Two bound runs were at a device that crashed, and both are gone. */
  function suspected(): Containment<Call> {
    const containment = open();
    for (const subject of ["guilty", "innocent"]) containment.arrive(new Call(subject, "none", bound), 0);
    expect(containment.lose({ type: "crash" }, 0).map(({ verdict }) => verdict)).toEqual(["gone", "gone"]);
    expect(containment.up(0)).toEqual([]);
    return containment;
  }
  const run = (subject: string) => new Call(subject, "none", bound);

  test("the next run of its subject has the device for itself, and is blamed when it loses it", () => {
    const containment = suspected();
    const [other, guilty] = [new Call("other"), run("guilty")];
    expect(containment.arrive(other, 0)).toBe(true);
    expect(containment.arrive(guilty, 0)).toBe(false);
    const later = new Call("later");
    expect(containment.arrive(later, 0)).toBe(false);
    expect(containment.finish(other, true, 0)).toEqual([guilty]);
    expect(containment.lose({ type: "crash" }, 0)).toEqual([{ job: guilty, verdict: "blamed" }]);
    expect(containment.up(0)).toEqual([later]);
  });

  test("one that ends well ends its probation, and the others of its subject go together", () => {
    const containment = suspected();
    const runs = [run("innocent"), run("innocent"), run("innocent")];
    expect(runs.map((job) => containment.arrive(job, 0))).toEqual([true, false, false]);
    expect(containment.finish(runs[0]!, true, 0)).toEqual(runs.slice(1));
    expect(containment.isCalm).toBe(true);
    expect(containment.arrive(run("innocent"), 0)).toBe(true);
  });

  test("one that fails does not, and others have their turn before the next", () => {
    const containment = suspected();
    const [first, second, other] = [run("innocent"), run("innocent"), new Call("other")];
    expect(containment.arrive(first, 0)).toBe(true);
    for (const job of [second, other]) containment.arrive(job, 0);
    expect(containment.finish(first, false, 0)).toEqual([other]);
    expect(containment.finish(other, true, 0)).toEqual([second]);
    expect(containment.isCalm).toBe(false);
    containment.finish(second, true, 0);
    expect(containment.isCalm).toBe(true);
  });

  test("what only loads the subject goes with others, and proves nothing", () => {
    const containment = suspected();
    expect(containment.arrive(new Call("other"), 0)).toBe(true);
    expect(containment.arrive(new Call("guilty", "none", { isRun: false }), 0)).toBe(true);
    expect(containment.arrive(run("guilty"), 0)).toBe(false);
  });

  test("a loss beside GPU sessions blames nobody, and the probation goes on", () => {
    const containment = suspected();
    const [first, second] = [run("guilty"), run("guilty")];
    containment.arrive(first, 0);
    const loss = { type: "crash", sessions: "busy" } as const;
    expect(containment.lose(loss, 0)).toEqual([{ job: first, verdict: "gone" }]);
    containment.up(0);
    expect(containment.arrive(second, 0)).toBe(true);
    expect(second.isAlone).toBe(true);
  });

  test("its kill from outside puts nobody on probation", () => {
    const containment = open();
    for (const subject of ["a", "b"]) containment.arrive(run(subject), 0);
    containment.lose({ type: "killed" }, 0);
    containment.up(0);
    expect(["a", "b"].map((subject) => containment.arrive(run(subject), 0))).toEqual([true, true]);
  });
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
    send(containment.up(0));
  };
  const pending = arrivals.map((group) => [...group]);
  for (; pending.length > 0 || device.length > 0; step++) {
    if (step > 10_000) throw new Error("it does not come to an end");
    for (const job of pending.shift() ?? []) if (containment.arrive(job, 0)) send([job]);
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
        send(containment.finish(job, true, 0));
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

test("a function whose runs cannot be repeated loses the device beside others only so often before it is blamed", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("loops" as const, "crashes" as const),
      fc.integer({ min: 1, max: 5 }),
      (fault, neighbours) => {
        const beside = () => Array.from({ length: neighbours }, (_, i) => new Call(`n${i}`, "none", bound));
        const arrivals = Array.from({ length: 4 }, () => [new Call("guilty", fault, bound), ...beside()]);
        const { losses } = simulate(arrivals, []);
        const [first, ...later] = arrivals.flat().filter(({ subject }) => subject === "guilty");
        expect(first?.outcome).toBe("gone");
        expect(later[0]?.outcome).toBe("blamed");
        expect(losses).toBeLessThanOrEqual(4);
        // What they were to read goes with each device that is lost; blame they have none.
        for (const { fault, outcome } of arrivals.flat())
          if (fault === "none") expect(["answered", "gone"]).toContain(outcome);
      },
    ),
  );
});
