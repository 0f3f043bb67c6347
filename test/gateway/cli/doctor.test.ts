/** `dawnlet doctor` as a process, and its parts. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { examineDataFolder } from "../../../gateway/cli/data-folder-state.ts";
import { wrongHalves } from "../../../runtime/adapter/f16-numerics.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

describe("dawnlet doctor", () => {
  it("names what was tried and chosen, and ends with 0 where functions can run", async () => {
    await using folder = await temporaryFolder();
    const { code, stdout, stderr } = await runCli(["doctor", "--data", folder.path, "--json"]);
    expect(code, stderr).toBe(0);
    const diagnosis = JSON.parse(stdout);
    expect(diagnosis).toMatchObject({
      canRun: true,
      versions: { webgpu: expect.stringMatching(/^\d/), "onnxruntime-web": expect.stringMatching(/^\d/) },
      data: { isUsable: true, functions: 0 },
    });
    expect(diagnosis.survey.candidates.length).toBeGreaterThan(1);
    expect(diagnosis.checkup.upload.bytesPerSecond).toBeGreaterThan(1e6);
    const hasHalves = diagnosis.survey.chosen.description.features.includes("shader-f16");
    if (hasHalves) expect(diagnosis.checkup.wrongHalves).toBe(0);
    else expect(diagnosis.checkup.wrongHalves).toBeNull();
  });

  it("says what to install and ends with 1 where there is no adapter", async () => {
    await using folder = await temporaryFolder();
    const icd = join(folder.path, "none_icd.json");
    await writeFile(icd, "{}");
    const { code, stdout } = await runCli(["doctor", "--data", folder.path, "--adapter", icd]);
    expect(code).toBe(1);
    expect(stdout).toContain("Functions cannot run here.");
    expect(stdout).toContain("To install one:");
  });
});

describe("examineDataFolder()", () => {
  it("tells a new folder, one in use and one that is none apart", async () => {
    await using folder = await temporaryFolder();
    expect(await examineDataFolder(join(folder.path, "new", "deeper"))).toMatchObject({
      isUsable: true,
      state: "new",
    });
    await writeFile(join(folder.path, "lock.1"), JSON.stringify({ pid: 4711, host: "h", startedAt: "" }));
    expect(await examineDataFolder(folder.path)).toMatchObject({
      isUsable: true,
      state: "0 functions",
      lockedBy: [4711],
    });
    expect(await examineDataFolder(join(folder.path, "lock.1"))).toMatchObject({
      isUsable: false,
      state: "is no folder",
    });
  });
});

describe("wrongHalves()", () => {
  it("accepts what a correct device computes and counts what differs", () => {
    const third = new Float16Array(new Uint16Array([0x3555]).buffer)[0]!;
    const right = Float16Array.from({ length: 512 }, (_, i) => {
      const x = Math.floor(i / 2) / 16;
      return i % 2 === 0 ? x * x : x + third;
    });
    const bits = new Uint16Array(right.buffer);
    expect(wrongHalves(bits)).toBe(0);
    bits[100] = bits[100]! + 1;
    expect(wrongHalves(bits)).toBe(1);
  });
});
