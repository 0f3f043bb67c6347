import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createScheduler } from "../../../../../gateway/scheduler/core/scheduler.ts";
import { deadlineWith } from "../../../../../gateway/scheduler/policies/deadline/deadline.ts";
import { deviceSpec, functionSpec, requestSpec } from "../../core/specs.ts";
import { Stage } from "../stage.ts";

/** Of as many as may wait. */
const limit = 6;
const weights = { alice: 1, bob: 1, carol: 2 };
type Tenant = keyof typeof weights;
const tenants = Object.keys(weights) as Tenant[];

const anyMove = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("call" as const),
      tenant: fc.constantFrom<Tenant[]>("alice", "bob", "bob", "bob", "bob", "carol"),
      refuseLate: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom("end" as const, "retry" as const, "cancel" as const),
      which: fc.nat(20),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("power" as const), isUp: fc.boolean() }) },
);

describe("a full queue", () => {
  it("never has more than may wait, refuses no tenant that is below its share, and gives each call one end", () => {
    const seen = { refused: 0, displaced: 0, retried: 0 };
    fc.assert(
      fc.property(fc.array(anyMove, { maxLength: 150, size: "max" }), (moves) => {
        const scheduler = createScheduler(deadlineWith({ queueLimit: limit }));
        const tenantOf = new Map<number, Tenant>();
        const waiting = new Set<number>();
        const ended = new Set<number>();
        const runs = new Map<number, readonly number[]>();
        let now = 0;
        let isUp = true;
        const aheadOfShare = (tenant: Tenant, all: readonly number[]) => {
          const present = new Set([tenant, ...all.map((id) => tenantOf.get(id)!)]);
          const sum = [...present].reduce((total, one) => total + weights[one], 0);
          return all.filter((id) => tenantOf.get(id) === tenant).length - (limit * weights[tenant]) / sum;
        };
        const send = (event: Parameters<typeof scheduler.step>[0], caller?: number) => {
          const before = [...waiting].filter((id) => id !== caller);
          now += 5;
          for (const action of scheduler.step(event, now)) {
            if (action.type === "run") {
              for (const id of action.requests) expect(waiting.delete(id)).toBe(true);
              runs.set(action.run, action.requests);
            }
            if (action.type !== "reject") continue;
            expect(waiting.delete(action.request)).toBe(true);
            expect(ended.has(action.request)).toBe(false);
            ended.add(action.request);
            if (action.cause !== "queue-full") continue;
            expect(before.length).toBeGreaterThanOrEqual(limit);
            const tenant = tenantOf.get(action.request)!;
            if (action.request === caller) {
              seen.refused++;
              expect(aheadOfShare(tenant, before)).toBeGreaterThanOrEqual(0);
            } else {
              seen.displaced++;
              expect(aheadOfShare(tenant, [...before, caller!])).toBeGreaterThan(0);
            }
          }
          // Those that come back had their turn before; nobody joins them.
          if (caller !== undefined) expect(waiting.size).toBeLessThanOrEqual(Math.max(limit, before.length));
          const inCore = [...scheduler.cluster.requests.values()].filter((one) => one.state === "waiting");
          expect(inCore.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(
            [...waiting].toSorted((a, b) => a - b),
          );
        };
        const end = (run: number, isRetried: boolean | undefined) => {
          const requests = runs.get(run)!;
          runs.delete(run);
          if (isRetried) for (const id of requests) waiting.add(id);
          else for (const id of requests) expect(ended.has(id)).toBe(false);
          if (!isRetried) for (const id of requests) ended.add(id);
          send(isRetried ? { type: "failed", run, isRetried } : { type: "ended", run, runMs: 20 });
        };
        send({ type: "device-up", device: deviceSpec("d") });
        for (const tenant of tenants) {
          const known = [{ class: "h200", batch: 1, runMs: 20 }];
          const spec = { tenant, tenantWeight: weights[tenant], known };
          send({ type: "function", function: functionSpec(tenant, spec) });
        }
        let last = 0;
        for (const move of moves) {
          if (move.type === "call") {
            const id = ++last;
            tenantOf.set(id, move.tenant);
            waiting.add(id);
            const { refuseLate } = move;
            send(
              { type: "arrival", request: requestSpec(id, move.tenant, { deadline: now + 100, refuseLate }) },
              id,
            );
          } else if (move.type === "power") {
            if (isUp === move.isUp) continue;
            isUp = move.isUp;
            if (isUp) send({ type: "device-up", device: deviceSpec("d") });
            else send({ type: "device-down", device: "d" });
          } else if (move.type === "cancel") {
            const id = [...waiting][move.which];
            if (id === undefined) continue;
            waiting.delete(id);
            ended.add(id);
            send({ type: "cancelled", request: id });
          } else {
            const run = [...runs.keys()][move.which % Math.max(1, runs.size)];
            if (run === undefined) continue;
            if (move.type === "retry") seen.retried++;
            end(run, move.type === "retry");
          }
        }
        if (!isUp) send({ type: "device-up", device: deviceSpec("d") });
        for (let i = 0; i < 1_000 && waiting.size + runs.size > 0; i++) {
          const [run] = runs.keys();
          if (run === undefined) {
            now += 1_000;
            send({ type: "tick" });
          } else end(run, false);
        }
        expect(ended.size).toBe(last);
      }),
      { seed: 1 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
  });

  it("has the flood's newest make way for a tenant that has fewer, and nobody where all are one's", () => {
    for (const [tenant, rejected] of [
      ["other", ["3: 2 requests wait already, and a tenant that has fewer of them takes its place"]],
      ["t", ["4: 2 requests wait already"]],
    ] as const) {
      const stage = new Stage(deadlineWith({ queueLimit: 2 }));
      stage.device("a");
      stage.function("f");
      stage.function("g", { tenant });
      for (let i = 0; i < 3; i++) stage.call("f");
      stage.call("g");
      expect(stage.rejections).toEqual(rejected);
      stage.until(1_000);
      expect(stage.runs.filter((one) => one.startsWith("g")).length).toBe(tenant === "other" ? 1 : 0);
    }
  });

  it("has nobody make way for a call that would be late and says so", () => {
    const stage = new Stage(deadlineWith({ queueLimit: 2 }));
    stage.device("a");
    stage.function("f", {}, { runMs: 100 });
    stage.function("g", { tenant: "other" }, { runMs: 100 });
    for (let i = 0; i < 3; i++) stage.call("f");
    stage.call("g", { deadline: 10, refuseLate: true });
    const causes = stage.done.flatMap((one) => (one.type === "reject" ? [[one.request, one.cause]] : []));
    expect(causes).toEqual([[4, "late"]]);
  });
});
