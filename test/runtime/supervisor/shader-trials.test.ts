/** New shaders, tried out in a process of their own. */
import { afterEach, expect, test, vi } from "vitest";
import { platform } from "#platform";
import { findAdapter } from "../../../runtime/adapter/find-adapter.ts";
import { DeviceProcess } from "../../../runtime/supervisor/device-process.ts";
import { ShaderTrials } from "../../../runtime/supervisor/shader-trials.ts";
import { timesShader } from "../../e2e/small-functions.ts";
import { storedProgram } from "./stored-program.ts";

const { environment, gpuOptions, description } = await findAdapter(platform);

const opened: ShaderTrials[] = [];
afterEach(async () => {
  for (const trials of opened.splice(0)) await trials.stop();
});

function open(limits: { readonly limitMs?: number; readonly idleMs?: number } = {}) {
  const { implementation, backend } = gpuOptions;
  const { isSoftware } = description.adapter;
  const devices = [0, 1].map(
    () =>
      new DeviceProcess({
        ...{ platform, environment },
        open: { implementation, backend, isSoftware, budgetBytes: 2 ** 28, blobFolder: "none" },
        onLine: () => {},
      }),
  );
  const trials = new ShaderTrials({ devices, ...limits });
  opened.push(trials);
  return { device: devices[0]!, trials };
}

/** Each function calls the one before twice, and compilers put calls in place: 2^depth sines. */
function exponential(depth: number): string {
  const functions = Array.from(
    { length: depth },
    (_, i) => `fn f${i + 1}(x: f32) -> f32 { return f${i}(x) + f${i}(x * 1.5 + ${i}.5); }`,
  );
  return `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
fn f0(x: f32) -> f32 { return sin(x); }
${functions.join("\n")}
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) { y[id.x] = f${depth}(x[id.x]); }
}`;
}

test("a shader whose compilation does not end is refused, and the next one is tried in a new process", async () => {
  const { device, trials } = open({ limitMs: 3_000 });
  const bomb = await storedProgram("bomb", exponential(28));
  const good = await storedProgram("good", timesShader(2));
  await trials.compile("bob", good);
  const first = await device.pid();
  const refused = Promise.allSettled([trials.compile("bob", bomb), trials.compile("bob", good)]);
  let isRefused = false;
  void refused.then(() => {
    isRefused = true;
  });
  await trials.compile("alice", good);
  expect(await trials.checkShader("alice", "not WGSL")).toMatchObject([{ line: 1 }]);
  // Another's waits for neither of them.
  expect(isRefused).toBe(false);
  const outcomes = await refused;
  expect(outcomes[0]).toMatchObject({
    status: "rejected",
    reason: { code: "INVALID_SHADER", message: expect.stringContaining("did not end within 3 s") },
  });
  expect(outcomes[1]).toMatchObject({ status: "fulfilled" });
  expect(await device.pid()).not.toBe(first);
});

test("the process ends when nobody has needed it for a while", async () => {
  const { device, trials } = open({ idleMs: 50 });
  await trials.compile("bob", await storedProgram("good", timesShader(2)));
  expect(await device.pid()).toBeGreaterThan(0);
  await vi.waitFor(async () => expect(await device.pid()).toBeUndefined(), { timeout: 10_000 });
  await trials.compile("bob", await storedProgram("good", timesShader(2)));
});
