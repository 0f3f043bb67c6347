/** What the scheduler believes of a device is what is there. */
import { expect, test } from "vitest";
import type { DeviceSetListener } from "../../../gateway/devices/device-events.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import { Dispatcher } from "../../../gateway/dispatch/dispatcher.ts";
import type { PreparedProgram } from "../../../gateway/functions/prepared-call.ts";
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
