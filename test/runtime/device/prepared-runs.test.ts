/** Runs that are encoded ahead, on a real device: what they are encoded from may have changed meanwhile. */
import { expect, test } from "vitest";
import type { DeviceService } from "../../../runtime/device/service.ts";
import { noise, reads, Sketch, writes } from "../../conformance/sketch.ts";
import { testService } from "../../gpu.ts";

const code = `
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read_write> sum: array<u32>;
@compute @workgroup_size(1) fn main() {
  for (var i = 0u; i < arrayLength(&weight); i++) { sum[0] += weight[i]; }
}`;

/** Time to encode ahead. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 30));

async function sumOfWeights(service: DeviceService, id: string): Promise<number> {
  const { outputs } = await service.run({ program: id, inputs: [] });
  return new Uint32Array(outputs[0]!.slice().buffer)[0]!;
}

test("a run that went in parts, in a lane of its own, is followed by others in lanes that have no slots yet", async () => {
  const sketch = new Sketch();
  const bytes = noise(2 ** 18, 1);
  const output = sketch.output("uint32", 1);
  sketch.dispatch({ code, bindings: [reads(await sketch.weight(bytes)), writes(output)] });
  const { program, weights } = sketch.finish();
  const expected = new Uint32Array(bytes.slice().buffer).reduce((sum, word) => (sum + word) >>> 0, 0);

  const service = await testService(weights, 16 * 2 ** 20);
  await service.load("sum", program, { writesBeforeReads: false });
  for (let round = 0; round < 3; round++) {
    await service.evict("sum");
    for (let call = 0; call < 3; call++) {
      expect(await sumOfWeights(service, "sum")).toBe(expected);
      await pause();
    }
  }
  await service.unload("sum");
  expect((await service.memory()).totalBytes).toBe(0);
});
