/** Who is on a device and who came and went, for Prometheus; read when scraped. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { ManagedDevice } from "../devices/managed-device.ts";

type Counted = Pick<ManagedDevice, "residency" | "evictions" | "sessionBytes">;

interface Value {
  readonly name: string;
  readonly help: string;
  readonly read: (device: Counted) => number;
}

const counters: readonly Value[] = [
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

const gauges: readonly Value[] = [
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

export function addMemoryMetrics(registry: Registry, device: Counted): void {
  const registers = [registry];
  for (const { name, help, read } of counters)
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(device));
      },
    });
  for (const { name, help, read } of gauges)
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(device));
      },
    });
  new Counter({
    name: "dawnlet_evictions_total",
    help: "Programs whose weights left the device, by cause: room for another, or the end of a keepAlive",
    labelNames: ["cause"],
    registers,
    collect() {
      this.reset();
      for (const [cause, count] of Object.entries(device.evictions.counts)) this.inc({ cause }, count);
    },
  });
}
