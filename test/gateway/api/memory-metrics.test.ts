import { Registry } from "prom-client";
import { beforeEach, expect, test } from "vitest";
import { addMemoryMetrics } from "../../../gateway/api/memory-metrics.ts";
import { ManagedDevice } from "../../../gateway/devices/managed-device.ts";
import { evictionPolicies } from "../../../gateway/scheduler/eviction/policies.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { FakeDevice } from "../devices/fake-device.ts";

const links = [new FakeDevice("gpu0"), new FakeDevice("gpu1")] as const;
let registry: Registry;

beforeEach(() => {
  registry = new Registry();
  const devices = links.map((device) => {
    const managed = new ManagedDevice({ device, deviceBytes: 8192, policy: evictionPolicies.lru });
    return { id: device.id, managed };
  });
  addMemoryMetrics(registry, devices);
});

const scrape = async () => (await registry.metrics()).split("\n");

test("each device has its own samples", async () => {
  links[0].memoryInUse = { totalBytes: 300, budgetBytes: 1000, tensorBytes: 20 };
  links[1].memoryInUse = { totalBytes: 5, budgetBytes: 900 };
  links[1].isUp = false;
  const lines = await scrape();
  for (const line of [
    'nv_gpu_memory_used_bytes{device="gpu0"} 300',
    'nv_gpu_memory_used_bytes{device="gpu1"} 5',
    'nv_gpu_memory_total_bytes{device="gpu0"} 1000',
    'dawnlet_tensor_bytes{device="gpu0"} 20',
    'dawnlet_device_up{device="gpu0"} 1',
    'dawnlet_device_up{device="gpu1"} 0',
    'dawnlet_swap_ins_total{device="gpu1"} 0',
    'dawnlet_weight_budget_bytes{device="gpu0"} 7168',
    'dawnlet_evictions_total{device="gpu1",cause="room"} 0',
  ])
    expect(lines).toContain(line);
});

test("a device that does not answer leaves the other's samples", async () => {
  links[1].memory = () => Promise.reject(new DawnletError("DEVICE_LOST", "gone"));
  const lines = await scrape();
  // prom-client's spelling; Prometheus reads it in any case.
  expect(lines).toContainEqual(expect.stringMatching(/^nv_gpu_memory_used_bytes\{device="gpu1"\} nan$/i));
  expect(lines).toContainEqual(expect.stringMatching(/^nv_gpu_memory_used_bytes\{device="gpu0"\} \d+$/));
});
