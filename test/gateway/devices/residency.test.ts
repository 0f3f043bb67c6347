import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Admission, Turn } from "../../../gateway/devices/admission.ts";
import { Estimates } from "../../../gateway/devices/estimates.ts";
import type { ResidenceSettings } from "../../../gateway/devices/residence.ts";
import { Residency } from "../../../gateway/devices/residency.ts";
import { evictionPolicies } from "../../../gateway/scheduler/eviction/policies.ts";
import type { Eviction } from "../../../gateway/scheduler/eviction/victims.ts";

const plain: ResidenceSettings = { isPinned: false, keepAliveMs: undefined, tenant: "", priority: 0 };
const pinned = { ...plain, isPinned: true };

/** Room for 10 bytes; each Program has weights of its own unless it names digests. */
function device(policy: keyof typeof evictionPolicies = "lru", queueLimit = 100) {
  const residency = new Residency<string>({
    policy: evictionPolicies[policy],
    budgetBytes: 10,
    alignment: 1,
    queueLimit,
  });
  const add = (id: string, bytes: number, settings = plain) =>
    residency.register(id, id, [{ digest: `w-${id}`, sizeBytes: bytes }], settings);
  return { residency, add };
}

/** A run, whose weights came in with it if they were not there. */
function ended<W>(residency: Residency<W>, id: string, now: number, loadMs = 0, executeMs = 0): boolean {
  residency.arrived(id, now, loadMs);
  return residency.ran(id, executeMs);
}

/** Filled by `a`, which is running, and `b`, which has run. */
function halfBusy() {
  const { residency, add } = device();
  add("a", 5);
  add("b", 5);
  residency.admit("a", 1, "a1");
  residency.admit("b", 1, "b1");
  ended(residency, "b", 2);
  return residency;
}

const ids = (evictions: readonly Eviction[]) => evictions.map(({ id }) => id);
const evicted = (admission: Admission<string>) =>
  admission.type === "run" ? ids(admission.evict) : admission.type;
const waiters = (turns: readonly Turn<string>[]) => turns.map(({ waiter }) => waiter);

describe("admission", () => {
  test("what fits comes in, what does not evicts by policy, and what is leased stays", () => {
    const { residency, add } = device();
    for (const id of ["a", "b", "c"]) add(id, 5);
    expect(evicted(residency.admit("a", 1, "a1"))).toEqual([]);
    expect(evicted(residency.admit("b", 2, "b1"))).toEqual([]);
    ended(residency, "b", 3);
    // `a` was used longer ago, but it is running.
    expect(evicted(residency.admit("c", 4, "c1"))).toEqual(["b"]);
    expect(residency.usedBytes).toBe(10);
  });

  test("weights are there when they have come in, which may be before the run has ended", () => {
    const { residency, add } = device();
    add("a", 5);
    expect(residency.arrived("a", 0, 1)).toBe(false);
    residency.admit("a", 1, "a1");
    expect(residency.arrived("a", 2, 1)).toBe(true);
    expect(residency.arrived("a", 3, 1)).toBe(false);
    // A run that fails then says nothing about them.
    expect(residency.failed("a")).toEqual({ mustEvict: false });
    expect(residency.get("a")!.state).toBe("resident");
    expect(residency.swapIns).toEqual({ count: 1, bytes: 5 });
  });

  test("runs of a Program that is coming in share its load", () => {
    const { residency, add } = device();
    add("a", 5);
    residency.admit("a", 1, "a1");
    expect(residency.lease("a", 1)).toBe(true);
    ended(residency, "a", 2);
    ended(residency, "a", 2);
    expect(residency.swapIns).toEqual({ count: 1, bytes: 5 });
    expect(residency.lease("a", 3)).toBe(true);
  });

  test("weights that several hold count once and stay with the last of them", () => {
    const { residency } = device();
    const shared = { digest: "s", sizeBytes: 6 };
    residency.register("a", "a", [shared], plain);
    residency.register("b", "b", [shared, { digest: "b", sizeBytes: 4 }], plain);
    residency.register("c", "c", [{ digest: "c", sizeBytes: 4 }], plain);
    residency.admit("a", 1, "a1");
    residency.admit("b", 2, "b1");
    expect(residency.usedBytes).toBe(10);
    ended(residency, "a", 3);
    ended(residency, "b", 3);
    // Without `a` nothing would be free.
    expect(evicted(residency.admit("c", 4, "c1"))).toEqual(["b"]);
    expect(residency.usedBytes).toBe(10);
    expect(residency.get("a")!.isOn).toBe(true);
  });

  test("a Program that can never fit is refused at once, one beside pinned ones too", () => {
    const { residency, add } = device();
    add("huge", 11);
    add("p", 4, pinned);
    add("seven", 7);
    add("six", 6);
    const refusal = residency.admit("huge", 1, "h");
    expect(refusal).toMatchObject({ type: "refuse", error: { code: "OUT_OF_MEMORY" } });
    residency.admit("p", 1, "p1");
    ended(residency, "p", 1);
    const beside = residency.admit("seven", 2, "s");
    expect(beside).toMatchObject({ type: "refuse", error: { message: expect.stringContaining("pinned") } });
    expect(evicted(residency.admit("six", 3, "s"))).toEqual([]);
  });

  test("where the device is short of room though there is some by count, others go", () => {
    const { residency, add } = device();
    add("a", 3);
    add("b", 3);
    residency.admit("a", 1, "a1");
    ended(residency, "a", 1);
    residency.admit("b", 2, "b1");
    expect(residency.failed("b").mustEvict).toBe(true);
    expect(residency.usedBytes).toBe(3);
    expect(evicted(residency.admit("b", 3, "b2", 2))).toEqual(["a"]);
    residency.failed("b");
    const alone = residency.admit("b", 4, "b3", 2);
    expect(alone).toMatchObject({ type: "refuse", error: { code: "OUT_OF_MEMORY" } });
  });
});

test("what is known from before decides who goes, and is mixed with what is measured now", () => {
  const leaves = (estimates: Estimates) => {
    const policy = evictionPolicies.cost;
    const residency = new Residency<string>({ policy, budgetBytes: 10, alignment: 1, estimates });
    for (const [i, id] of ["a", "b", "c"].entries()) {
      residency.register(id, id, [{ digest: id, sizeBytes: 5 }], plain);
      const admission = residency.admit(id, i, id);
      if (id === "c") return evicted(admission);
      ended(residency, id, i, 80, 1);
    }
  };
  // Both were used once, `a` before `b`; their first loads measure nothing.
  expect(leaves(new Estimates())).toEqual(["a"]);
  const known = new Estimates();
  known.restore({
    programs: [
      { id: "a", loadMs: 100, executeMs: 11 },
      { id: "b", loadMs: 1 },
    ],
  });
  expect(leaves(known)).toEqual(["b"]);
  expect(known.figures().programs).toEqual([
    { id: "a", loadMs: 100, executeMs: 8 },
    { id: "b", loadMs: 1, executeMs: 1 },
  ]);
});

describe("waiting", () => {
  test("is first come first served, and those who run on do not pass the first", () => {
    const { residency, add } = device();
    for (const id of ["a", "b", "c", "d"]) add(id, 5);
    residency.admit("a", 1, "a1");
    residency.admit("b", 2, "b1");
    expect(residency.admit("c", 3, "c1").type).toBe("wait");
    expect(residency.admit("d", 3, "d1").type).toBe("wait");
    // `a` is to go for `c`: its new runs queue, those of `b` do not.
    expect(residency.lease("a", 4)).toBe(false);
    expect(residency.admit("a", 4, "a2").type).toBe("wait");
    expect(residency.lease("b", 4)).toBe(true);
    expect(ended(residency, "a", 5)).toBe(true);
    const { turns } = residency.advance(5);
    expect(waiters(turns)).toEqual(["c1"]);
    expect(evicted(turns[0]!.admission)).toEqual(["a"]);
    expect(residency.waiting).toBe(2);
  });

  test("all that wait for a Program go with the first of them", () => {
    const { residency, add } = device();
    add("a", 10);
    add("b", 10);
    residency.admit("a", 1, "a1");
    for (const waiter of ["b1", "b2", "b3"]) residency.admit("b", 2, waiter);
    ended(residency, "a", 3);
    expect(waiters(residency.advance(3).turns)).toEqual(["b1", "b2", "b3"]);
    expect(residency.get("b")!.leases).toBe(3);
  });

  test("is refused at once, whoever waits, where what is pinned leaves no room; and waits where it is not pinned", () => {
    for (const isPinned of [true, false]) {
      const { residency, add } = device();
      add("a", 4, { ...plain, isPinned });
      add("b", 6);
      for (const id of ["a", "b"]) residency.admit(id, 1, `${id}1`);
      for (const id of ["c", "d"]) add(id, id === "c" ? 6 : 7);
      expect(residency.admit("c", 2, "c1").type).toBe("wait");
      const last = residency.admit("d", 2, "d1");
      if (isPinned) expect(last).toMatchObject({ type: "refuse", error: { code: "OUT_OF_MEMORY" } });
      else expect(last.type).toBe("wait");
    }
  });

  test("is limited, and ends for whom is cancelled", () => {
    const { residency, add } = device("lru", 1);
    for (const id of ["a", "b", "c"]) add(id, 10);
    residency.admit("a", 1, "a1");
    expect(residency.admit("b", 1, "b1").type).toBe("wait");
    const refused = residency.admit("c", 1, "c1");
    expect(refused).toMatchObject({ type: "refuse", error: { code: "QUEUE_FULL" } });
    residency.cancel("b1");
    // Nobody is to make room any more.
    expect(residency.lease("a", 2)).toBe(true);
    expect(residency.admit("c", 2, "c1").type).toBe("wait");
  });
});

describe("over time", () => {
  test("what is past its keepAlive goes, unless it is used, pinned or has none", () => {
    const { residency, add } = device();
    const kept = { ...plain, keepAliveMs: 100 };
    add("used", 1, kept);
    add("idle", 1, kept);
    add("pinned", 1, { ...kept, isPinned: true });
    add("plain", 1);
    for (const id of ["used", "idle", "pinned", "plain"]) {
      residency.admit(id, 0, id);
      ended(residency, id, 0);
    }
    expect(residency.nextExpiryMs()).toBe(100);
    expect(residency.expire(99)).toEqual([]);
    residency.lease("used", 50);
    ended(residency, "used", 50);
    expect(residency.expire(100)).toMatchObject([{ id: "idle", cause: "expired" }]);
    expect(residency.nextExpiryMs()).toBe(150);
  });

  test("a lower budget evicts at once what may go, and the rest as its leases end", () => {
    const residency = halfBusy();
    expect(ids(residency.setBudget(4, 2))).toEqual(["b"]);
    expect(residency.budgetBytes).toBe(5);
    expect(ended(residency, "a", 3)).toBe(true);
    expect(ids(residency.advance(3).evict)).toEqual(["a"]);
    expect([residency.budgetBytes, residency.usedBytes]).toEqual([4, 0]);
  });

  test("a restart leaves nothing but what is being run again", () => {
    const residency = halfBusy();
    residency.restarted();
    expect(residency.usedBytes).toBe(5);
    expect(residency.lease("b", 3)).toBe(false);
    expect(residency.get("a")).toMatchObject({ state: "loading", isKnown: false });
  });

  test("a Program is forgotten when nobody runs it or waits for it", () => {
    const { residency, add } = device();
    add("a", 5);
    residency.admit("a", 1, "a1");
    expect(residency.forget("a")).toBe(false);
    ended(residency, "a", 2);
    expect(residency.forget("a")).toBe(true);
    expect([residency.usedBytes, residency.get("a")]).toEqual([0, undefined]);
  });
});

type Event =
  | { type: "call"; program: number }
  | { type: "end"; which: number; outcome: "ok" | "fails" | "short" }
  | { type: "arrive"; which: number }
  | { type: "cancel"; which: number }
  | { type: "restart" }
  | { type: "expire" }
  | { type: "budget"; bytes: number }
  | { type: "pin"; program: number; isPinned: boolean }
  | { type: "forget"; program: number };

const programCount = 6;
const anyProgram = fc.nat(programCount - 1);
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant("call" as const), program: anyProgram }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("end" as const),
      which: fc.nat(20),
      outcome: fc.constantFrom(
        "ok" as const,
        "ok" as const,
        "ok" as const,
        "fails" as const,
        "short" as const,
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("arrive" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cancel" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant({ type: "restart" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "expire" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("budget" as const), bytes: fc.integer({ min: 4, max: 14 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("pin" as const), program: anyProgram, isPinned: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("forget" as const), program: anyProgram }) },
);

const queueLimit = 5;
const tenantOf = (program: number) => ["acme", "other", "third"][program % 3]!;
const weightOf: Readonly<Record<string, number>> = { acme: 1, other: 2, third: 1 };

/** By how many more wait than are the tenant's, of a full queue. @param waiting Programs. */
function aheadOfShare(tenant: string, waiting: readonly number[]): number {
  const tenants = new Set([tenant, ...waiting.map(tenantOf)]);
  const weights = [...tenants].reduce((sum, one) => sum + weightOf[one]!, 0);
  const own = waiting.filter((program) => tenantOf(program) === tenant).length;
  return own - (queueLimit * weightOf[tenant]!) / weights;
}

/** A device that believes nothing: it keeps its own account of who is there, by what it was told. */
class Model {
  readonly residency: Residency<object>;
  readonly weights: readonly (readonly { digest: string; sizeBytes: number }[])[];
  readonly running: number[] = [];
  readonly waiting = new Map<object, number>();
  /** Of all that ever waited. */
  readonly programs = new WeakMap<object, number>();
  readonly present = new Set<number>();
  readonly settings = new Map<number, ResidenceSettings>();
  targetBytes = 10;
  now = 0;

  constructor(
    policy: keyof typeof evictionPolicies,
    sizes: readonly (readonly [own: number, shared: number])[],
  ) {
    this.residency = new Residency({
      policy: evictionPolicies[policy],
      budgetBytes: this.targetBytes,
      alignment: 1,
      queueLimit,
    });
    this.weights = sizes.map(([own, shared], i) => [
      { digest: `own-${i}`, sizeBytes: own },
      { digest: `shared-${shared}`, sizeBytes: shared },
    ]);
  }

  apply(event: Event): void {
    this.now += 7;
    switch (event.type) {
      case "call":
        this.call(event.program);
        break;
      case "end":
        if (this.running.length > 0) this.end(event.which % this.running.length, event.outcome);
        break;
      case "arrive": {
        const id = `${this.running[event.which % Math.max(1, this.running.length)]}`;
        const isComing = this.residency.get(id)?.state === "loading";
        expect(this.residency.arrived(id, this.now, 3)).toBe(isComing);
        break;
      }
      case "cancel": {
        const [waiter] = [...this.waiting.keys()].slice(event.which % Math.max(1, this.waiting.size));
        if (waiter === undefined) break;
        this.waiting.delete(waiter);
        this.residency.cancel(waiter);
        this.advance();
        break;
      }
      case "restart":
        this.residency.restarted();
        this.present.clear();
        for (const program of this.running) this.present.add(program);
        this.advance();
        break;
      case "expire":
        this.evict(this.residency.expire(this.now));
        this.advance();
        break;
      case "budget":
        this.targetBytes = event.bytes;
        this.evict(this.residency.setBudget(event.bytes, this.now));
        this.advance();
        break;
      case "pin": {
        this.settings.set(event.program, { ...plain, isPinned: event.isPinned, keepAliveMs: 40 });
        if (this.residency.get(`${event.program}`) === undefined) break;
        this.residency.configure(`${event.program}`, this.settings.get(event.program)!);
        this.advance();
        break;
      }
      case "forget": {
        const isBusy =
          this.running.includes(event.program) || [...this.waiting.values()].includes(event.program);
        expect(this.residency.forget(`${event.program}`)).toBe(!isBusy);
        if (!isBusy) this.present.delete(event.program);
        this.advance();
      }
    }
    this.check();
  }

  call(program: number, extraBytes = 0): void {
    const id = `${program}`;
    if (extraBytes === 0 && this.residency.lease(id, this.now)) {
      expect(this.present.has(program)).toBe(true);
      this.running.push(program);
      return;
    }
    this.residency.register(id, id, this.weights[program]!, this.settings.get(program) ?? plain);
    const waiter = {};
    const party = { tenant: tenantOf(program), weight: weightOf[tenantOf(program)] };
    const before = [...this.waiting.values()];
    const admission = this.residency.admit(id, this.now, waiter, extraBytes, party);
    if (admission.type === "refuse" && admission.error.code === "QUEUE_FULL")
      expect(aheadOfShare(party.tenant, before)).toBeGreaterThanOrEqual(0);
    if (admission.type === "wait") {
      if (admission.displaced !== undefined) {
        const displaced = this.waiting.get(admission.displaced.waiter)!;
        expect(before.length).toBe(queueLimit);
        expect(aheadOfShare(party.tenant, before)).toBeLessThan(0);
        expect(aheadOfShare(tenantOf(displaced), [...before, program])).toBeGreaterThan(0);
        this.waiting.delete(admission.displaced.waiter);
      }
      this.waiting.set(waiter, program);
      this.programs.set(waiter, program);
      this.advance();
    } else this.start(admission, program);
  }

  start(admission: Exclude<Admission<object>, { type: "wait" }>, program: number): void {
    if (admission.type === "refuse") return;
    this.evict(admission.evict);
    const wasHere = this.present.has(program);
    this.present.add(program);
    this.running.push(program);
    // Who comes in comes in below the budget.
    if (!wasHere) expect(this.bytes()).toBeLessThanOrEqual(this.targetBytes);
  }

  end(index: number, outcome: "ok" | "fails" | "short"): void {
    const [program] = this.running.splice(index, 1) as [number];
    const id = `${program}`;
    if (outcome === "ok") {
      if (ended(this.residency, id, this.now, 3, 1)) this.advance();
      return;
    }
    if (this.residency.failed(id).mustEvict) this.present.delete(program);
    this.advance();
    if (outcome === "short") this.call(program, 2);
  }

  advance(): void {
    const { evict, turns } = this.residency.advance(this.now);
    this.evict(evict);
    const order = [...this.waiting.keys()];
    for (const { waiter, admission } of turns) {
      const program = this.waiting.get(waiter)!;
      this.waiting.delete(waiter);
      this.start(admission, program);
    }
    // In their order, but for those whose Program came in for one before them.
    const firsts = turns.filter((turn, i) => {
      const before = turns.slice(0, i).map((one) => one.waiter);
      return !before.some((one) => this.programs.get(one) === this.programs.get(turn.waiter));
    });
    const positions = firsts.map(({ waiter }) => order.indexOf(waiter));
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  }

  evict(evictions: readonly Eviction[]): void {
    for (const { id } of evictions) {
      const program = Number(id);
      expect(this.present.has(program)).toBe(true);
      expect(this.running).not.toContain(program);
      expect(this.settings.get(program)?.isPinned ?? false).toBe(false);
      this.present.delete(program);
    }
  }

  bytes(): number {
    const digests = new Map<string, number>();
    for (const program of this.present)
      for (const { digest, sizeBytes } of this.weights[program]!) digests.set(digest, sizeBytes);
    return [...digests.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  check(): void {
    const { residency } = this;
    expect(residency.usedBytes).toBe(this.bytes());
    expect(residency.usedBytes).toBeLessThanOrEqual(residency.budgetBytes);
    if (this.running.length === 0) expect(residency.waiting).toBe(0);
    expect(residency.waiting).toBe(this.waiting.size);
    expect(residency.waiting).toBeLessThanOrEqual(queueLimit);
  }
}

const anySizes = fc.array(fc.tuple(fc.nat(6), fc.nat(3)), {
  minLength: programCount,
  maxLength: programCount,
});
const anyPolicyName = fc.constantFrom(
  ...(Object.keys(evictionPolicies) as (keyof typeof evictionPolicies)[]),
);

describe("the queue of several tenants", () => {
  const alice = { tenant: "alice" };
  const bob = { tenant: "bob" };

  test("has the newest of whoever floods it make way, and the others wait as before", () => {
    const { residency, add } = device("lru", 4);
    for (const id of ["a", "b", "c"]) add(id, 10);
    residency.admit("a", 1, "a1");
    for (let i = 1; i <= 4; i++) expect(residency.admit("b", 1, `b${i}`, 0, bob)).toEqual({ type: "wait" });
    expect(residency.admit("b", 1, "b5", 0, bob)).toMatchObject({ type: "refuse" });
    expect(residency.admit("c", 1, "c1", 0, alice)).toMatchObject({
      ...{ type: "wait", displaced: { waiter: "b4", error: { code: "QUEUE_FULL" } } },
    });
    expect(residency.waiting).toBe(4);
    ended(residency, "a", 2);
    expect(waiters(residency.advance(2).turns)).toEqual(["b1", "b2", "b3"]);
  });

  test("lets the next have its turn where the first made way", () => {
    const { residency, add } = device("lru", 1);
    for (const id of ["a", "b", "c"]) add(id, id === "a" ? 6 : 10);
    add("small", 4);
    residency.admit("a", 1, "a1");
    residency.admit("b", 1, "b1", 0, bob);
    // Half a place is its share, of which it has none.
    expect(residency.admit("small", 1, "s1", 0, alice)).toMatchObject({ displaced: { waiter: "b1" } });
    expect(waiters(residency.advance(1).turns)).toEqual(["s1"]);
  });
});

describe("in whatever order things happen", () => {
  test("leased and pinned ones stay, bytes are within the budget, and nobody waits for nothing", () => {
    fc.assert(
      fc.property(
        anyPolicyName,
        anySizes,
        fc.array(anyEvent, { maxLength: 120 }),
        (policy, sizes, events) => {
          const model = new Model(policy, sizes);
          for (const event of events) model.apply(event);
          // Every run ends, and nobody is left.
          for (let i = 0; model.running.length > 0; i++) {
            expect(i).toBeLessThan(500);
            model.apply({ type: "end", which: 0, outcome: "ok" });
          }
          expect(model.waiting.size).toBe(0);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("who waits gets a turn while others are called without end", () => {
    let served = 0;
    fc.assert(
      fc.property(anyPolicyName, anySizes, fc.infiniteStream(anyProgram), (policy, sizes, programs) => {
        const model = new Model(policy, sizes);
        const next = programs[Symbol.iterator]();
        for (let i = 0; i < 40; i++) {
          const before = [...model.waiting.keys()][0];
          for (let n = 0; n < 3; n++) model.apply({ type: "call", program: next.next().value! });
          // Ends as many as run: the first of the queue must have had its turn then.
          for (let left = model.running.length; left > 0; left--)
            model.apply({ type: "end", which: 0, outcome: "ok" });
          if (before === undefined) continue;
          expect(model.waiting.has(before)).toBe(false);
          served++;
        }
      }),
      { numRuns: 100 },
    );
    // In some, all fits and nobody waits.
    expect(served).toBeGreaterThan(500);
  });
});
