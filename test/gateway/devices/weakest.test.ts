import { expect, test } from "vitest";
import { allHealth, allMemory, weakest } from "../../../gateway/devices/weakest.ts";
import type { DeviceDescription } from "../../../runtime/device/api.ts";
import { HealthRecord } from "../../../runtime/supervisor/incident.ts";
import { FakeDevice } from "./fake-device.ts";

const described = (
  device: string,
  features: readonly string[],
  limits: Readonly<Record<string, number>>,
): DeviceDescription => ({
  adapter: {
    ...{ vendor: "v", architecture: "a", device, description: "" },
    ...{ isSoftware: false, implementation: "dawn", backend: "" },
  },
  ...{ features, limits, timing: "gpu" },
});

test("what all devices can do is what each of them can", () => {
  const a = described("a", ["shader-f16", "subgroups"], {
    ...{ maxBufferSize: 100, maxBindGroups: 4, minStorageBufferOffsetAlignment: 32 },
  });
  const b = described("b", ["shader-f16", "timestamp-query"], {
    ...{ maxBufferSize: 200, maxBindGroups: 2, minStorageBufferOffsetAlignment: 256 },
  });
  expect(weakest([a, b])).toEqual({
    adapter: a.adapter,
    features: ["shader-f16"],
    limits: { maxBufferSize: 100, maxBindGroups: 2, minStorageBufferOffsetAlignment: 256 },
    timing: "gpu",
  });
  expect(weakest([a])).toEqual(a);
});

test("memory and losses of all devices add up", async () => {
  const devices = [new FakeDevice("a"), new FakeDevice("b")];
  devices[0]!.memoryInUse = { weightBytes: 1, residentPrograms: ["p"] };
  devices[1]!.memoryInUse = { weightBytes: 2, residentPrograms: ["p", "q"] };
  const all = allMemory(await Promise.all(devices.map((device) => device.memory())));
  expect(all).toMatchObject({ weightBytes: 3, totalBytes: 0, residentPrograms: ["p", "p", "q"] });

  const records = [new HealthRecord(), new HealthRecord()];
  for (const record of records) record.started();
  records[1]!.note({ type: "recovered", cause: "crash", recoveryMs: 7 });
  const health = allHealth(records.map(({ value }) => value));
  expect(health).toMatchObject({ generation: 2, losses: { crash: 0 }, blamed: 0, recoveryMs: [7] });
});
