/** Checks of what a run can see of those before it: of other Programs never anything, of its own what it was verified for. */
import { planSlots } from "../../../kernels/program/analyze.ts";
import { poisonProgram } from "../../../kernels/program/poison.ts";
import type { ProgramWithWeights } from "../../../kernels/program/program.ts";
import type { DeviceApi } from "../../../runtime/device/api.ts";
import { noise, reads, Sketch, words, writes } from "../sketch.ts";
import { type Check, cleared, ensure, ensureEmpty, ensureEqual } from "./check.ts";

const verified = { writesBeforeReads: true } as const;
const input = words(1, 2, 3, 4);
/** Of the input's buffer: larger than its tensor, as in recorded models. */
const bucketBytes = 4096;
const temporaryBytes = 8192;

/**
 * Gives all that it can see: what lies behind its input, a temporary that it never wrote, and an output that it never
 * wrote. Its weight, which is read at the end, makes it come in parts where it was evicted.
 */
export async function seesAll(): Promise<ProgramWithWeights> {
  const sketch = new Sketch();
  const source = sketch.input("uint32", 4);
  const behindBytes = bucketBytes - input.byteLength;
  const seen = sketch.output("uint32", (behindBytes + temporaryBytes) / 4);
  sketch.output("uint32", 1024);
  const temporary = sketch.temporary(temporaryBytes);
  const weight = await sketch.weight(noise(64, 7));
  const last = sketch.output("uint32", 64);
  sketch.copy(temporary, seen, temporaryBytes, 0, behindBytes);
  sketch.copy(source, seen, behindBytes, input.byteLength, 0);
  const code = `
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read_write> last: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { last[i] = 0u * weight[i]; }`;
  sketch.dispatch({ code, bindings: [reads(weight), writes(last)] });
  const { program, weights } = sketch.finish();
  const buffers = program.buffers.map((buffer, i) =>
    i === source ? { ...buffer, sizeBytes: bucketBytes } : buffer,
  );
  return { program: { ...program, buffers }, weights };
}

/** @returns how many bytes of others are in the outputs of a run of `seesAll`. */
export async function bytesSeen(device: DeviceApi, id: string): Promise<number> {
  const { outputs } = await device.run({ program: id, inputs: [input] });
  return outputs.reduce((sum, bytes) => sum + bytes.filter((byte) => byte !== 0).length, 0);
}

async function ensureBlind(device: DeviceApi, id: string, when: string): Promise<void> {
  const seen = await bytesSeen(device, id);
  ensure(seen === 0, `a Program saw ${seen} bytes of another one ${when}`);
}

export const leftoverChecks: readonly Check[] = [
  {
    name: "a Program sees nothing of what others left in the memory that they share",
    programs: async () => [await seesAll()],
    async run(device, [one]) {
      const { program } = one!;
      const { slotBytes } = planSlots(program);
      await device.load("other", poisonProgram(slotBytes, 0xdeadbeef), verified);
      await device.load("reader", program, verified);
      const other = () => device.run({ program: "other", inputs: [] });
      const aLittle = () => new Promise((resolve) => setTimeout(resolve, 20));

      await other();
      await ensureBlind(device, "reader", "in its first run");
      await other();
      await ensureBlind(device, "reader", "in its second run");
      // Time for what is encoded ahead, which others come before.
      await aLittle();
      await other();
      await ensureBlind(device, "reader", "where its run was encoded before");
      // Several in a round, each in memory of its own.
      await Promise.all([other(), other(), other(), other()]);
      await Promise.all(["reader", "reader", "reader"].map((id) => ensureBlind(device, id, "beside others")));
      await Promise.all([other(), ensureBlind(device, "reader", "in one round with it"), other()]);
      await other();
      await device.evict("reader");
      await ensureBlind(device, "reader", "while its weights came in");

      for (const id of ["other", "reader"]) await device.unload(id);
      await ensureEmpty(device);
      return undefined;
    },
  },
  {
    name: "what a run wrote is gone before the next run of the same Program",
    async run(device) {
      const sketch = new Sketch();
      const [temporary, output] = [sketch.temporary(256), sketch.output("uint32", 64)];
      const code = `
@group(0) @binding(0) var<storage, read_write> count: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { count[i]++; result[i] += count[i]; }`;
      sketch.dispatch({ code, bindings: [writes(temporary), writes(output)] });
      await device.load("counting", sketch.finish().program, cleared);
      for (let i = 0; i < 4; i++) {
        const { outputs } = await device.run({ program: "counting", inputs: [] });
        ensureEqual(`what run ${i} counted`, outputs[0], words(...Array<number>(64).fill(1)));
      }
      await device.unload("counting");
      await ensureEmpty(device);
      return undefined;
    },
  },
];
