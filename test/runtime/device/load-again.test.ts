/** A load that follows one that failed, at each moment of its failing. */
import { expect, test } from "vitest";
import { noise, reads, Sketch, writes } from "../../conformance/sketch.ts";
import { testService } from "../../gpu.ts";

const mebibyte = 2 ** 20;
const code = `
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read_write> copy: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { copy[id.x] = weight[id.x]; }`;

async function withWeight(bytes: Uint8Array) {
  const sketch = new Sketch();
  const weight = await sketch.weight(bytes);
  sketch.dispatch({ code, bindings: [reads(weight), writes(sketch.output("uint32", 64))] });
  return sketch.finish();
}

test("a load is not given up because one before it found no room", async () => {
  const [large, wanted] = await Promise.all(
    [3, 2].map((size, i) => withWeight(noise((size * mebibyte) / 4, i))),
  );
  const weights = new Map([...large!.weights, ...wanted!.weights]);
  const service = await testService(weights, 4.5 * mebibyte);
  const options = { writesBeforeReads: false };
  const codes: string[] = [];
  for (let moment = 0; moment < 16; moment++) {
    await service.load("large", large!.program, options);
    const first = service.load("wanted", wanted!.program, options).then(
      () => "loaded",
      (error) => error.code,
    );
    for (let i = 0; i < moment; i++) await Promise.resolve();
    const evicted = service.evict("large");
    codes.push(
      await service.load("wanted", wanted!.program, options).then(
        () => "loaded",
        (error) => error.code,
      ),
    );
    await evicted;
    expect(await first).toBe("OUT_OF_MEMORY");
    await service.unload("wanted");
  }
  // Whoever comes early enough shares the first one's fate.
  expect(new Set(codes)).toEqual(new Set(["OUT_OF_MEMORY", "loaded"]));
  await service.unload("large");
  expect((await service.memory()).placedBytes).toBe(0);
});
