import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OwnedProgram } from "../../../../gateway/devices/owner.ts";
import { leastQueued } from "../../../../gateway/scheduler/placement/least-queued.ts";
import type {
  DeviceKind,
  PlacedDevice,
  PlaceRequest,
} from "../../../../gateway/scheduler/placement/place.ts";
import { leastSessions, type SessionDevice } from "../../../../gateway/scheduler/placement/session-place.ts";

interface Seen {
  readonly kind?: DeviceKind;
  readonly isUp?: boolean;
  readonly queuedMs?: number;
  readonly state?: "absent" | "loading" | "resident";
}

function devicesOf(...all: readonly Seen[]): readonly PlacedDevice[] {
  return all.map(({ kind = "gpu", isUp = true, queuedMs = 0, state = "absent" }, index) => ({
    ...{ index, id: `${kind}${index}`, kind, isUp, queuedMs, queued: 0, usedBytes: 0, budgetBytes: 0 },
    ...{ stateOf: () => state, loadMs: () => 1, executeMs: () => undefined },
  }));
}

function requestOf(kibibytes: number): PlaceRequest {
  const weights = kibibytes > 0 ? [{ digest: "w", sizeBytes: kibibytes * 1024 }] : [];
  return { program: { id: "p", weights } as unknown as OwnedProgram } as PlaceRequest;
}

describe("`leastQueued`", () => {
  test.each<[string, number, readonly Seen[], number]>([
    ["the one with the weights, however long its queue", 1, [{}, { state: "resident", queuedMs: 90 }], 1],
    ["where they are on their way", 1, [{}, { state: "loading", queuedMs: 90 }], 1],
    [
      "of those with the weights the idlest",
      1,
      [{ state: "resident", queuedMs: 2 }, { state: "resident" }],
      1,
    ],
    ["the idlest where none has them", 1, [{ queuedMs: 2 }, { queuedMs: 1 }, { queuedMs: 3 }], 1],
    ["the idlest where there are no weights", 0, [{ state: "resident", queuedMs: 2 }, {}], 1],
    ["one that is up before the one with the weights", 1, [{ state: "resident", isUp: false }, {}], 1],
    [
      "the one with the weights where all are away",
      1,
      [{ isUp: false }, { isUp: false, state: "resident" }],
      1,
    ],
    ["a GPU before a CPU as idle", 1, [{ kind: "software" }, {}], 1],
    ["the first of equals", 1, [{}, {}], 0],
  ])("takes %s", (_, kibibytes, seen, index) => {
    expect(leastQueued(requestOf(kibibytes), devicesOf(...seen))).toBe(index);
  });

  test("takes one of those that it is given, by its index", () => {
    const seen = fc.record({
      kind: fc.constantFrom<DeviceKind>("gpu", "software"),
      isUp: fc.boolean(),
      queuedMs: fc.nat(3),
      state: fc.constantFrom("absent", "loading", "resident"),
    });
    fc.assert(
      fc.property(fc.array(seen, { minLength: 1, maxLength: 5 }), fc.nat(), fc.nat(1), (all, skip, size) => {
        const devices = devicesOf(...all);
        const given = devices.filter(({ index }) => devices.length === 1 || index !== skip % devices.length);
        const chosen = given.find(({ index }) => index === leastQueued(requestOf(size), given));
        expect(chosen).toBeDefined();
        // Nothing that is up waits for something that is away.
        if (given.some(({ isUp }) => isUp)) expect(chosen!.isUp).toBe(true);
      }),
    );
  });
});

describe("`leastSessions`", () => {
  const device = (index: number, rest: Partial<SessionDevice>): SessionDevice => ({
    ...{ index, kind: "gpu", isUp: true, queuedMs: 0, sessionBytes: 0, sessionGroups: 0 },
    ...rest,
  });

  test.each<[string, readonly Partial<SessionDevice>[]]>([
    ["one that is up", [{ isUp: false }, { sessionBytes: 9 }]],
    ["a GPU", [{ kind: "software" }, { sessionBytes: 9 }]],
    ["the one with the fewest bytes", [{ sessionBytes: 2 }, { sessionBytes: 1, sessionGroups: 5 }]],
    ["the one with the fewest groups", [{ sessionGroups: 2 }, { sessionGroups: 1, queuedMs: 9 }]],
    ["the idlest", [{ queuedMs: 2 }, { queuedMs: 1 }]],
  ])("takes %s", (_, seen) => {
    expect(leastSessions(seen.map((one, index) => device(index, one)))).toBe(1);
  });

  test("has nothing to take where there is none", () => {
    expect(() => leastSessions([])).toThrow(RangeError);
    expect(leastSessions([device(3, {})])).toBe(3);
  });
});
