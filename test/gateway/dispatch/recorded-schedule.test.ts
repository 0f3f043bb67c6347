/** What the scheduler did while it drove devices is what a replay of its log does, action for action. */
import { afterEach, expect, test, vi } from "vitest";
import { randomStream } from "../../../bench/traces/random.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import { Dispatcher } from "../../../gateway/dispatch/dispatcher.ts";
import type { PreparedProgram } from "../../../gateway/functions/prepared-call.ts";
import type { SchedulerAction } from "../../../gateway/scheduler/core/actions.ts";
import { Cluster } from "../../../gateway/scheduler/core/cluster.ts";
import type { LoggedPolicy } from "../../../gateway/scheduler/core/event-log.ts";
import { parseEventLog } from "../../../gateway/scheduler/core/read-event-log.ts";
import { replay } from "../../../gateway/scheduler/core/replay.ts";
import { namedPolicy } from "../../../gateway/scheduler/policies/named-policy.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import { fakeDevices, program, settled } from "../devices/fake-devices.ts";
import { listenerOf } from "./dispatcher-listener.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const policies: readonly LoggedPolicy[] = [
  { policy: "deadline", queueLimit: 1, eviction: "lfu" },
  ...["deadline", "lalbo3", "torpor", "mqfq-sticky"].map((policy) => ({ policy })),
];

const patience = { timeout: 10_000, interval: 1 };

const eventTypes = [
  ...["function", "function-removed", "device-up", "arrival"],
  ...["loaded", "evicted", "ended", "failed"],
];

test.each(policies)("under %o", async (policy) => {
  const live = await recorded(policy);
  const log = parseEventLog(live.log);
  const again = [...replay(log, namedPolicy(log.header))];
  expect(again.map(({ actions }) => actions)).toEqual(live.actions);
  // It was an eventful life.
  const seen = new Set(live.actions.flat().map(({ type }) => type));
  expect([...seen]).toEqual(expect.arrayContaining(["run", "evict"]));
  expect(live.actions.flat().length).toBeGreaterThan(150);
  const heard = new Set(log.events.map(({ event }) => event.type));
  expect([...heard]).toEqual(expect.arrayContaining(eventTypes));
  const causes = live.actions.flat().map((one) => one.type === "reject" && one.cause);
  expect(causes.includes("queue-full")).toBe(policy.queueLimit !== undefined);
});

/** Calls of nine functions on two devices that hold three of them each, some of which fail, are given up or removed. */
async function recorded(
  header: LoggedPolicy,
): Promise<{ readonly log: string; readonly actions: readonly (readonly SchedulerAction[])[] }> {
  const taken = vi.spyOn(Cluster.prototype, "takeActions");
  let log = "";
  let isFailureHeard = false;
  const listener = listenerOf(() => dispatcher);
  const { set, links } = fakeDevices(2, { listener });
  const sink = (line: string) => {
    log += line;
    isFailureHeard ||= line.includes('"type":"failed"');
  };
  const dispatcher = new Dispatcher({
    ...{ devices: set, policy: namedPolicy(header) },
    eventLog: { header, sink },
  });
  const functions = Array.from({ length: 9 }, (_, i) => {
    const schedule = i % 3 === 0 ? { quota: { request: 0.1, limit: 0.6 }, deadlineMs: 40 } : undefined;
    const owner = { name: `f${i}`, version: 1, settings: defaultMemorySettings, schedule };
    return new FunctionDevice(set, owner, dispatcher);
  });
  const random = randomStream(header.policy.length, 0);
  const running = () => links.flatMap((link) => link.running.map(({ id }) => ({ link, id })));
  for (let turn = 0; turn < 300; turn++) {
    const which = Math.floor(random() * functions.length);
    const giveUp = new AbortController();
    const wishes = random() < 0.3 ? { deadlineMs: 20 * random(), refuseLate: random() < 0.3 } : {};
    // Refusals are part of it.
    void functions[which]!.submit(prepared(`p${which}`), { ...wishes, signal: giveUp.signal }).catch(
      () => {},
    );
    await settled();
    if (random() < 0.2) giveUp.abort();
    for (const { link, id } of running()) {
      if (random() < 0.5) continue;
      // Until the scheduler has heard of one: it does not of those that are given up meanwhile.
      const isFailure = !isFailureHeard || random() < 0.05;
      const error = isFailure ? new DawnletError("INVALID_SHADER", "no") : undefined;
      link.end(id, error, random() < 0.5 ? 3 : 0, 1 + 10 * random());
    }
    await settled();
    if (turn % 60 !== 59) continue;
    // Nobody removes what is called. Meanwhile timers go off: wakes, and what failed.
    await vi.waitFor(() => {
      for (const { link, id } of running()) link.end(id);
      expect(dispatcher.cluster.requests.size).toBe(0);
    }, patience);
    await functions[which]!.unload(`p${which}`);
  }
  dispatcher.stop();
  const actions = taken.mock.results.map(({ value }) => value);
  taken.mockRestore();
  for (const { link, id } of running()) link.end(id);
  await set.stop();
  return { log, actions };
}

function prepared(id: string): PreparedProgram {
  return {
    ...{ type: "program", program: program(id, 2), inputs: [], keep: undefined, outputs: [] },
    ...{ wanted: undefined, batch: undefined },
  };
}
