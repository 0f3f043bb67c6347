import { expect, test } from "vitest";
import { batchingText, engineText, engineWord } from "../../../gateway/cli/describe-version.ts";
import { parseVersion } from "../../../gateway/cli/replies.ts";

const since = "2026-01-02T00:00:00.000Z";
const quarantine = { since, strikes: 3, reason: "it hung" };
const damage = { since, reason: "Cannot use weight abc as it is missing", digest: "abc" };

/** As the gateway tells it. */
const versionWith = (trouble: object) =>
  parseVersion({
    name: "f",
    version: 1,
    digest: "d",
    kind: "wgsl",
    createdAt: since,
    sizeBytes: 1,
    signature: { inputs: [], outputs: [], parameters: [] },
    engine: { type: "program" },
    ...trouble,
  });

test("a version is told by its engine, or by what keeps it from being served", () => {
  const whole = versionWith({});
  expect([engineWord(whole), engineText(whole)]).toEqual(["program", "program on the GPU"]);
  const damaged = versionWith({ damage });
  expect(engineWord(damaged)).toBe("damaged");
  expect(engineText(damaged)).toBe(`damaged, noticed ${since}: Cannot use weight abc as it is missing`);
  // It would not be called if it were whole.
  for (const trouble of [{ quarantine }, { quarantine, damage }]) {
    const barred = versionWith(trouble);
    expect(engineWord(barred)).toBe("quarantined");
    expect(engineText(barred)).toBe(`in quarantine since ${since}, after 3 lost devices: it hung`);
  }
});

test("a version says how many rows its runs can have, or why calls run alone", () => {
  const text = (batching: object) => batchingText(versionWith({ batching }).batching!);
  expect(text({ type: "untried", maxRows: 16 })).toBe(
    "up to 16 rows a run, if compiling one shows that rows do not change each other",
  );
  expect(text({ type: "proven", maxRows: 16, sizes: [2, 8] })).toBe("up to 16 rows a run; compiled for 2, 8");
  expect(text({ type: "proven", maxRows: 64 })).toBe("up to 64 rows a run");
  expect(text({ type: "none", reason: "its input 'sr' has no axes" })).toBe(
    "none: its input 'sr' has no axes",
  );
});
