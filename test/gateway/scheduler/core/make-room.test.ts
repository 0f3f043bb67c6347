import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceState } from "../../../../gateway/scheduler/core/device-state.ts";
import { victimsFor } from "../../../../gateway/scheduler/core/make-room.ts";
import type { Residence } from "../../../../gateway/scheduler/core/residence.ts";
import type { EvictionPolicy } from "../../../../gateway/scheduler/eviction/policy.ts";
import { anyPolicy } from "../eviction/residents.ts";
import { CommandedCluster } from "./commands.ts";

const anyResident = fc.record({
  weightBytes: fc.integer({ min: 0, max: 12 }),
  isPinned: fc.constantFrom(false, false, false, true),
  isLeased: fc.constantFrom(false, false, false, true),
  tenant: fc.constantFrom("t", "t", "u"),
  priority: fc.constantFrom(0, 0, 0, 1),
  calls: fc.integer({ min: 1, max: 3 }),
});
const anyResidents = fc.array(anyResident, { maxLength: 8 });
type AnyResident = typeof anyResident extends fc.Arbitrary<infer T> ? T : never;

/** A device of 60 bytes, which may hold more since its budget was lowered. */
function deviceWith(residents: readonly AnyResident[]): DeviceState {
  const one = new CommandedCluster();
  const device = one.device("d", { budgetBytes: 200 });
  let now = 0;
  for (const [i, { calls, isLeased, ...spec }] of residents.entries()) {
    one.function(`f${i}`, spec);
    for (let call = 0; call < calls; call++) {
      const run = one.cluster.run(device, [one.request(`f${i}`)]);
      now += 5;
      one.send({ type: "loaded", device: "d", function: `f${i}` }, now);
      now += i % 3;
      if (!isLeased || call < calls - 1) one.send({ type: "ended", run: run.id, runMs: 4 }, now);
    }
  }
  one.send({ type: "budget", device: "d", bytes: 60 });
  return device;
}

/**
 * Sorts them all, and takes from the front while it is not enough: whose turn it is gives as many bytes as that one has, of
 * what has the lowest priority of its tenant's first.
 */
function slowVictims(
  device: DeviceState,
  bytes: number,
  policy: EvictionPolicy,
  mayLeave: (one: Residence) => boolean,
): Residence[] | undefined {
  const { now } = device.cluster;
  const byKey = [...device.residences.values()]
    .filter((one) => one.leases === 0 && !one.isPinned && mayLeave(one))
    .map((one) => ({ one, key: policy.key(one, now) }))
    .sort((a, b) => {
      const at = a.key.findIndex((value, i) => value !== b.key[i]);
      return at < 0 ? 0 : a.key[at]! < b.key[at]! ? -1 : 1;
    })
    .map(({ one }) => one);
  const order: Residence[] = [];
  const bytesOf = (all: readonly Residence[], tenant: string) =>
    all.reduce((sum, one) => sum + (one.tenant === tenant ? Math.max(1, one.bytes) : 0), 0);
  for (const [i, { tenant }] of byKey.entries())
    for (const one of byKey.toSorted((a, b) => a.priority - b.priority))
      if (one.tenant === tenant && !order.includes(one))
        if (bytesOf(order, tenant) < bytesOf(byKey.slice(0, i + 1), tenant)) order.push(one);
  const victims: Residence[] = [];
  const free = () => device.freeBytes + victims.reduce((sum, one) => sum + one.bytes, 0);
  for (const one of order) if (free() < bytes) victims.push(one);
  return free() < bytes ? undefined : victims;
}

describe("victimsFor()", () => {
  it("takes those that sorting all of them would take, in that order, or none where all are not enough", () => {
    const seen = { none: 0, some: 0, impossible: 0 };
    fc.assert(
      fc.property(anyPolicy, anyResidents, fc.nat(70), fc.nat(255), (policy, residents, bytes, staying) => {
        const device = deviceWith(residents);
        const mayLeave = ({ id }: Residence) => ((staying >> Number(id.slice(1))) & 3) !== 3;
        const victims = victimsFor(device, bytes, policy, device.cluster.now, mayLeave);
        const expected = slowVictims(device, bytes, policy, mayLeave);
        expect(victims?.map(({ id }) => id)).toEqual(expected?.map(({ id }) => id));
        seen[victims === undefined ? "impossible" : victims.length > 0 ? "some" : "none"]++;
      }),
      { numRuns: 500, seed: 1 },
    );
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(25);
  });

  it("leaves the device as it was", () => {
    fc.assert(
      fc.property(anyPolicy, anyResidents, fc.nat(70), (policy, residents, bytes) => {
        const device = deviceWith(residents);
        const before = [device.usedBytes, ...device.residences.values()];
        victimsFor(device, bytes, policy, device.cluster.now);
        expect([device.usedBytes, ...device.residences.values()]).toEqual(before);
      }),
      { numRuns: 50 },
    );
  });
});
