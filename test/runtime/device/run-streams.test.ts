/** Runs whose weights are still coming in. */
import { expect, test, vi } from "vitest";
import type { OnLoaded, RunLoad, WeightSource } from "../../../runtime/device/api.ts";
import { noise, reads, Sketch, writes } from "../../conformance/sketch.ts";
import { testDevice, testServiceFrom } from "../../gpu.ts";

const code = `
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read_write> sum: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) { sum[lane] += weight[lane]; }`;

/** As many steps as weights, each with one of its own. */
async function programOf(weights: number) {
  const sketch = new Sketch();
  const output = sketch.output("uint32", 64);
  for (let i = 0; i < weights; i++)
    sketch.dispatch({ code, bindings: [reads(await sketch.weight(noise(64, i))), writes(output)] });
  return sketch.finish();
}

/** Gives each weight when it is let through. */
function gated(weights: ReadonlyMap<string, Uint8Array>) {
  const gates = new Map([...weights.keys()].map((digest) => [digest, Promise.withResolvers<void>()]));
  const source: WeightSource = {
    async read(digest, offset, target) {
      await gates.get(digest)!.promise;
      target.set(weights.get(digest)!.subarray(offset, offset + target.length));
    },
  };
  return { source, gates: [...gates.values()] };
}

test.each([1, 2, 3])("submit nothing before the first of %i weights is there", async (count) => {
  const { program, weights } = await programOf(count);
  const { source, gates } = gated(weights);
  const service = await testServiceFrom(source);
  const device = await testDevice();
  const submit = vi.spyOn(device.queue, "submit");
  try {
    const load = service.load("p", program, { writesBeforeReads: false });
    const onLoaded = vi.fn<OnLoaded>();
    const run = service.run({ program: "p", inputs: [] }, onLoaded);
    // Compiled, and waiting for weights alone.
    await vi.waitFor(async () => expect((await service.memory()).pipelines).toBe(1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(submit).not.toHaveBeenCalled();
    for (const [i, gate] of gates.entries()) {
      expect(onLoaded).not.toHaveBeenCalled();
      gate.resolve();
      // What has its weights does not wait for those of others.
      if (i < count - 1) await vi.waitFor(() => expect(submit).toHaveBeenCalledTimes(i + 1));
    }
    const { outputs, timing } = await run;
    const [[loaded]] = onLoaded.mock.calls as [[RunLoad]];
    expect(loaded.uploadedBytes).toBe(256 * count);
    expect(loaded.uploadMs).toBeGreaterThan(50);
    const sums = [...weights.values()].map((bytes) => new Uint32Array(bytes.buffer));
    expect(new Uint32Array(outputs[0]!.slice().buffer)).toEqual(
      Uint32Array.from({ length: 64 }, (_, lane) => sums.reduce((sum, one) => sum + one[lane]!, 0)),
    );
    // Of the 50 ms none is the GPU's.
    expect(timing.gpuMs).toBeLessThan(timing.loadMs);
    await load;
    // They are there now.
    await service.run({ program: "p", inputs: [] }, onLoaded);
    expect(onLoaded).toHaveBeenCalledTimes(1);
  } finally {
    submit.mockRestore();
    await service.unload("p");
  }
});
