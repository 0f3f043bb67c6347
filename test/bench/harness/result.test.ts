import { readFile, rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { resultFolder, writeResult } from "../../../bench/harness/result.ts";

describe("writeResult()", () => {
  it("names the machine, the runtime and the adapter beside the figures", async () => {
    const file = new URL("test-of-the-harness.json", resultFolder);
    try {
      await writeResult("test-of-the-harness", null, { p50Ms: 1.5 }, { rounds: 3 });
      const written: unknown = JSON.parse(await readFile(file, "utf8"));
      expect(written).toEqual({
        name: "test-of-the-harness",
        when: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        machine: {
          cpu: expect.stringMatching(/./),
          cores: expect.any(Number),
          memoryGiB: expect.any(Number),
          os: expect.stringMatching(/./),
          runtime: expect.stringMatching(/^(node|deno) \d+\./),
        },
        adapter: null,
        figures: { p50Ms: 1.5 },
        details: { rounds: 3 },
      });
    } finally {
      await rm(file, { force: true });
    }
  });
});
