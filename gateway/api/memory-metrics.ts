/** What devices hold, who is there and who came and went, for Prometheus; read when scraped. Labels name the device. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { DeviceMemory } from "../../runtime/device/api.ts";
import type { ManagedDevice } from "../devices/managed-device.ts";

type Counted = Pick<ManagedDevice, "residency" | "evictions" | "sessionBytes" | "memory" | "isUp">;

export interface CountedDevice {
  readonly id: string;
  readonly managed: Counted;
}

interface Value<Source> {
  readonly name: string;
  readonly help: string;
  readonly read: (source: Source) => number;
}

const labelNames = ["device"] as const;

const counters: readonly Value<Counted>[] = [
  {
    name: "dawnlet_swap_ins_total",
    help: "Times that weights of a Program came onto the device",
    read: ({ residency }) => residency.swapIns.count,
  },
  {
    name: "dawnlet_swap_in_bytes_total",
    help: "Bytes of weights that came onto the device",
    read: ({ residency }) => residency.swapIns.bytes,
  },
];

const gauges: readonly Value<Counted>[] = [
  {
    name: "dawnlet_device_up",
    help: "1 where calls go to the device at once, 0 where they wait for its process",
    read: ({ isUp }) => (isUp ? 1 : 0),
  },
  {
    name: "dawnlet_resident_programs",
    help: "Programs whose weights are on the device",
    read: ({ residency }) => [...residency.residences].filter(({ state }) => state === "resident").length,
  },
  {
    name: "dawnlet_weight_bytes",
    help: "Bytes of weights on the device, shared ones once",
    read: ({ residency }) => residency.usedBytes,
  },
  {
    name: "dawnlet_weight_budget_bytes",
    help: "Bytes that weights may take on the device",
    read: ({ residency }) => residency.budgetBytes,
  },
  {
    name: "dawnlet_gpu_session_bytes",
    help: "Bytes of the buffers that GPU sessions hold on the device",
    read: ({ sessionBytes }) => sessionBytes,
  },
  {
    name: "dawnlet_calls_waiting_for_memory",
    help: "Calls that wait for room on the device",
    read: ({ residency }) => residency.waiting,
  },
  {
    name: "dawnlet_swap_in_bytes_per_second",
    help: "Estimate of how fast weights come onto the device; 0 before it was measured",
    read: ({ residency }) => (residency.bytesPerMs ?? 0) * 1_000,
  },
];

/** What the device processes are asked for. */
const memoryGauges: readonly Value<DeviceMemory>[] = [
  {
    name: "nv_gpu_memory_used_bytes",
    help: "Bytes of buffers on the device",
    read: ({ totalBytes }) => totalBytes,
  },
  {
    name: "dawnlet_tensor_bytes",
    help: "Bytes of tensors that stay on the device between runs",
    read: ({ tensorBytes }) => tensorBytes,
  },
  {
    name: "nv_gpu_memory_total_bytes",
    help: "Budget of the device in bytes",
    read: ({ budgetBytes }) => budgetBytes,
  },
];

export function addMemoryMetrics(registry: Registry, devices: readonly CountedDevice[]): void {
  const registers = [registry];
  for (const { name, help, read } of counters)
    new Counter({
      ...{ name, help, labelNames, registers },
      collect() {
        this.reset();
        for (const { id, managed } of devices) this.inc({ device: id }, read(managed));
      },
    });
  for (const { name, help, read } of gauges)
    new Gauge({
      ...{ name, help, labelNames, registers },
      collect() {
        for (const { id, managed } of devices) this.set({ device: id }, read(managed));
      },
    });
  for (const { name, help, read } of memoryGauges)
    new Gauge({
      ...{ name, help, labelNames, registers },
      async collect() {
        const values = devices.map(async ({ id, managed }) => {
          // A device that is gone for the moment must not take the other metrics with it.
          this.set({ device: id }, await managed.memory().then(read, () => Number.NaN));
        });
        await Promise.all(values);
      },
    });
  new Counter({
    name: "dawnlet_evictions_total",
    help: "Programs whose weights left the device, by cause: room for another, the end of a keepAlive, or a command of the scheduler",
    labelNames: ["device", "cause"],
    registers,
    collect() {
      this.reset();
      for (const { id: device, managed } of devices)
        for (const [cause, count] of Object.entries(managed.evictions.counts))
          this.inc({ device, cause }, count);
    },
  });
}
