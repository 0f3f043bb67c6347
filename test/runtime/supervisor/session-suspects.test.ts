import { describe, expect, test } from "vitest";
import type { LossCause } from "../../../runtime/supervisor/incident.ts";
import { type SessionLoss, SessionSuspects } from "../../../runtime/supervisor/session-suspects.ts";

const minuteMs = 60_000;

/** Whose sessions had work, each named as its subject. */
function loss(
  cause: LossCause,
  busy: readonly string[],
  more: Partial<SessionLoss<string>> = {},
): SessionLoss<string> {
  const links = new Map(busy.map((subject) => [subject, subject]));
  return { cause, stuck: undefined, only: undefined, busy: links, atDevice: 1, ...more };
}

/** Verdicts on losses that follow each other, a minute apart or as stated. */
function verdicts(losses: readonly SessionLoss<string>[], apartMs = minuteMs): (string | undefined)[] {
  const suspects = new SessionSuspects<string>();
  return losses.map((one, i) => suspects.judge(one, i * apartMs));
}

const nobody = undefined;

test("work that does not end is the fault of the session whose it is", () => {
  expect(verdicts([loss("time-limit", ["a", "b"], { stuck: "a" })])).toEqual(["a"]);
  expect(verdicts([loss("time-limit", ["a", "b"])])).toEqual([nobody]);
});

test("a hang is the fault of the only group that was there, unless jobs were there too", () => {
  expect(verdicts([loss("hang", [], { only: "a", atDevice: 0 })])).toEqual(["a"]);
  expect(verdicts([loss("hang", ["a"], { only: "a", atDevice: 1 })])).toEqual([nobody]);
  expect(verdicts([loss("crash", ["a"], { only: "a", atDevice: 0 })])).toEqual([nobody]);
});

describe("who had work when the process ended", () => {
  const [a, b, both] = [loss("crash", ["a"]), loss("crash", ["b"]), loss("crash", ["a", "b"])];

  test("three times in a row is to blame for the third, and for each that follows", () => {
    expect(verdicts([a, a, a, a])).toEqual([nobody, nobody, "a", "a"]);
    expect(verdicts([a, a, b, a])).toEqual([nobody, nobody, nobody, nobody]);
  });

  test("is told from who was there beside it now and then", () => {
    expect(verdicts([both, a, both])).toEqual([nobody, nobody, "a"]);
    expect(verdicts([both, both, both, b])).toEqual([nobody, nobody, nobody, "b"]);
  });

  test("is not to blame for what lies ten minutes apart, nor where somebody killed the process", () => {
    expect(verdicts([a, a, a], 5 * minuteMs)).toEqual([nobody, nobody, "a"]);
    expect(verdicts([a, a, a], 6 * minuteMs)).toEqual([nobody, nobody, nobody]);
    const killed = loss("killed", ["a"]);
    expect(verdicts([killed, killed, killed])).toEqual([nobody, nobody, nobody]);
  });

  test("is not to blame for a loss that a run turned out to have caused, nor for one while it had no work", () => {
    const suspects = new SessionSuspects<string>();
    for (const now of [0, 1]) expect(suspects.judge(a, now)).toBe(nobody);
    suspects.takeBack();
    expect(suspects.judge(a, 2)).toBe(nobody);
    expect(suspects.judge(loss("crash", []), 3)).toBe(nobody);
    expect(suspects.judge(a, 4)).toBe("a");
  });
});
