/** Checks of tensors that stay on the device between runs. */
import type { DeviceApi, RunInput } from "../../../runtime/device/api.ts";
import { mapShader, noise, reads, Sketch, writes } from "../sketch.ts";
import { type Check, cleared, ensure, ensureEmpty, ensureEqual, ensureFails } from "./check.ts";

/** Runs a Program of one output, which stays. */
async function keeping(device: DeviceApi, program: string, input: RunInput): Promise<{ tensor: string }> {
  const [output] = (await device.run({ program, inputs: [input], keep: [true] })).outputs;
  ensure(output !== undefined && !(output instanceof Uint8Array), "an output that was to stay came as bytes");
  return { tensor: output.tensor };
}

export const keepingChecks: readonly Check[] = [
  {
    name: "outputs that stay are the inputs of other runs, are read, and are gone when they are released",
    async run(device) {
      const count = 1023;
      for (const [id, expression] of [
        ["ones", "x | 0xff0000ffu"],
        ["more", "x + 3u"],
      ] as const) {
        const sketch = new Sketch();
        // Not of whole words: what lies behind the end must not be seen.
        const [input, output] = [sketch.input("uint8", count), sketch.output("uint8", count)];
        sketch.dispatch({ code: mapShader(expression), bindings: [reads(input), writes(output)] });
        await device.load(id, sketch.finish().program, cleared);
      }
      const input = noise(256, 5).subarray(0, count);
      const once = (await device.run({ program: "ones", inputs: [input] })).outputs[0]!;
      const expected = (await device.run({ program: "more", inputs: [once] })).outputs[0]!;
      const end = (await device.run({ program: "ones", inputs: [expected] })).outputs[0]!;
      const chains = Array.from({ length: 5 }, async () => {
        const first = await keeping(device, "ones", input);
        const second = await keeping(device, "more", first);
        const bytes = await device.readTensor(second.tensor);
        const third = await device.run({ program: "ones", inputs: [second] });
        await device.releaseTensors([first.tensor, second.tensor]);
        return { first, bytes, last: third.outputs[0] };
      });
      for (const { first, bytes, last } of await Promise.all(chains)) {
        ensureEqual("what was read", bytes, expected);
        ensureEqual("what came of it", last, end);
        await ensureFails("a read of what was released", device.readTensor(first.tensor), "NOT_FOUND");
        const run = device.run({ program: "more", inputs: [first] });
        await ensureFails("a run with what was released", run, "NOT_FOUND");
      }
      for (const id of ["ones", "more"]) await device.unload(id);
      await ensureEmpty(device);
      return undefined;
    },
  },
];
