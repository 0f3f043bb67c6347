/** What the scheduler believes of a device is what is there. */
import { expect, test } from "vitest";
import type { DeviceSetListener } from "../../../gateway/devices/device-events.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import type { OwnedProgram } from "../../../gateway/devices/owner.ts";
import { Dispatcher } from "../../../gateway/dispatch/dispatcher.ts";
import type { PreparedProgram } from "../../../gateway/functions/prepared-call.ts";
import { namedPolicy } from "../../../gateway/scheduler/policies/named-policy.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import { placedBy } from "../../e2e/placed-policy.ts";
import { fakeDevices, program, settled } from "../devices/fake-devices.ts";

test("weights that leave a device before the scheduler hears that their run ended are not believed there", async () => {
  const listener: DeviceSetListener = {
    resident: (...told) => dispatcher.resident(...told),
    evicted: (device, id) => {
      dispatcher.evicted(device, id);
    },
  };
  const { set, links } = fakeDevices(2, { listener });
  const dispatcher = new Dispatcher({ devices: set, policy: placedBy(() => 0) });
  const owner = { name: "f", version: 1, settings: defaultMemorySettings };
  const f = new FunctionDevice(set, owner, dispatcher);
  const prepared: PreparedProgram = {
    ...{ type: "program", program: program("a", 1), inputs: [], keep: undefined, outputs: [] },
    ...{ wanted: undefined, batch: undefined },
  };
  const [believed] = dispatcher.cluster.devices;
  const run = f.submit(prepared, {});
  await settled();
  links[0]!.end("a");
  await run;
  await settled();
  // The control: nobody took it away.
  expect(believed!.residences.size).toBe(1);

  const second = f.submit(prepared, {});
  await settled();
  links[0]!.end("a");
  // In the turn in which the device's own count lets go of it, and before the scheduler's does.
  while (!set.evictFrom(0, "a")) await Promise.resolve();
  await second;
  await settled();
  expect(believed!.residences.size).toBe(0);
  expect(dispatcher.cluster.runs.size).toBe(0);
  dispatcher.stop();
  await set.stop();
});

test("weights of a function that was removed while somebody else ran it make room", async () => {
  const { set, links, dispatcher, functionNamed, begin } = opened();
  const [f, g] = [functionNamed("f"), functionNamed("g")];
  const first = begin(f, program("a", 4));
  await settled();
  links[0]!.end("a");
  await first;
  await settled();
  // Round the scheduler, as a profile is measured.
  const profiled = f.run(program("a", 4), []);
  const unloaded = f.unload("a");
  const other = begin(g, program("b", 4));
  await settled();
  links[0]!.end("a");
  await Promise.all([profiled, unloaded]);
  await settled();
  links[0]!.end("b");
  expect(await other).toMatchObject({ device: "gpu0" });
  await settled();
  expect([...dispatcher.cluster.devices[0]!.residences.values()].map(({ id }) => id)).toEqual(["g@1/2"]);
  dispatcher.stop();
  await set.stop();
});

test("weights that a device kept though they were to go are believed there once a run of them has ended", async () => {
  const { set, links, dispatcher, functionNamed, begin } = opened();
  const [believed] = dispatcher.cluster.devices;
  const [f, g] = [functionNamed("f"), functionNamed("g")];
  // Both have the same weights, which the device has once; the scheduler counts them twice, and one has to go.
  const a = program("a", 4);
  const b = { ...program("b", 4), weights: a.weights };
  const run = async (fn: FunctionDevice, of: typeof a) => {
    const call = begin(fn, of);
    await settled();
    links[0]!.end(of.id);
    await call;
    await settled();
  };
  const states = () => [...believed!.residences.values()].map(({ id, state }) => [id, state]);
  await run(f, a);
  expect(states()).toEqual([["f@1/1", "resident"]]);
  // Round the scheduler: while it uses them the device keeps them.
  const profiled = f.run(a, []);
  await run(g, b);
  expect(states()).toEqual([["g@1/2", "resident"]]);
  links[0]!.end("a");
  await profiled;
  await run(f, a);
  expect(states()).toEqual([["f@1/1", "resident"]]);
  expect(believed!.loads).toBe(0);
  expect(believed!.bus.loads).toBe(0);
  dispatcher.stop();
  await set.stop();
});

test("weights that came without the scheduler are used where they are", async () => {
  const { set, links, dispatcher, functionNamed, begin } = opened(2);
  const f = functionNamed("f");
  const a = program("a", 4);
  const states = () =>
    dispatcher.cluster.devices.map(({ residences }) => [...residences.values()].map(({ state }) => state));
  // As a deploy does; on both, so that it is known what a run takes there.
  for (const index of [0, 1]) {
    const early = set.runPlaced(index, f.owner, a, [], {});
    await settled();
    links[index]!.end("a");
    await early;
  }
  for (const home of [0, 1]) {
    const other = 1 - home;
    await set.loadOn(home, "a");
    set.evictFrom(other, "a");
    const call = begin(f, a);
    await settled();
    links[home]!.end("a");
    expect(await call).toMatchObject({ device: `gpu${home}` });
    await settled();
    expect(states()[home]).toEqual(["resident"]);
    expect(states()[other]).toEqual([]);
  }
  dispatcher.stop();
  await set.stop();
});

/** Devices under the default policy. */
function opened(count = 1) {
  const listener: DeviceSetListener = {
    resident: (...told) => dispatcher.resident(...told),
    evicted: (device, id) => dispatcher.evicted(device, id),
  };
  const { set, links } = fakeDevices(count, { listener });
  const dispatcher = new Dispatcher({ devices: set, policy: namedPolicy({ policy: "deadline" }) });
  const functionNamed = (name: string) =>
    new FunctionDevice(set, { name, version: 1, settings: defaultMemorySettings }, dispatcher);
  const begin = (fn: FunctionDevice, of: OwnedProgram) =>
    fn.submit(
      {
        ...{ type: "program", program: of, inputs: [], keep: undefined, outputs: [] },
        ...{ wanted: undefined, batch: undefined },
      },
      {},
    );
  return { set, links, dispatcher, functionNamed, begin };
}
