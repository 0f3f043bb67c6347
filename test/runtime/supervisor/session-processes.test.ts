/** Sessions of ONNX Runtime in processes of their own: opened ahead, kept, and heard of when they end. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { platform } from "#platform";
import type { ChildProcess, Platform } from "../../../runtime/platform/platform.ts";
import { SessionProcesses } from "../../../runtime/supervisor/session-processes.ts";
import { modelRows, timesModel } from "../../e2e/small-functions.ts";
import { floatsIn } from "../../e2e/tensors.ts";

let folder: string;
const children: ChildProcess[] = [];
const watched: Platform = {
  ...platform,
  spawnProcess: async (...given) => {
    const child = await platform.spawnProcess(...given);
    children.push(child);
    return child;
  },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dawnlet-sessions-"));
  await writeFile(join(folder, "model.onnx"), timesModel(3));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("a session that was opened ahead answers without opening, and its owner hears of each end", async () => {
  const closed: string[] = [];
  const { signal } = new AbortController();
  const source = async () => ({ modelPath: join(folder, "model.onnx"), files: {} });
  const sessions = new SessionProcesses({
    platform: watched,
    onLine: () => {},
    onClosed: (id) => closed.push(id),
  });
  const run = () => sessions.run("triple", source, { x: modelRows() }, ["y"], signal);
  try {
    expect(await sessions.open("triple", source)).toBeGreaterThan(0);
    expect(await sessions.open("triple", source)).toBe(0);
    const first = await run();
    expect(first.loadMs).toBe(0);
    expect(floatsIn(first.outputs.get("y")!)).toEqual(floatsIn(modelRows()).map((x) => 3 * x));
    expect(closed).toEqual([]);

    children.at(-1)!.kill();
    await expect.poll(() => closed, { timeout: 10_000 }).toEqual(["triple"]);
    expect((await run()).loadMs).toBeGreaterThan(0);
    expect(children).toHaveLength(2);

    await sessions.close("triple");
    expect(closed).toEqual(["triple", "triple"]);
    await expect(sessions.open("none", () => Promise.reject(new RangeError("no model")))).rejects.toThrow(
      "no model",
    );
  } finally {
    await sessions.stop();
  }
});
