/** What is left in a lane by the Program before. That nobody sees it is in the conformance suite. */
import { describe, expect, test } from "vitest";
import { planSlots } from "../../../kernels/program/analyze.ts";
import { poisonProgram } from "../../../kernels/program/poison.ts";
import { verifyProgram } from "../../../runtime/compiler/verify.ts";
import { Lane, type LaneUser } from "../../../runtime/device/lane.ts";
import { Ledger } from "../../../runtime/device/ledger.ts";
import { MemoryWeights } from "../../../runtime/device/weights.ts";
import { bytesSeen, seesAll } from "../../conformance/checks/leftovers.ts";
import { reads, Sketch, writes } from "../../conformance/sketch.ts";
import { floats } from "../../e2e/tensors.ts";
import { testDevice, testServiceFrom } from "../../gpu.ts";

const verified = { writesBeforeReads: true } as const;

test.each([
  { keepsLeftovers: true, seen: "all" },
  { keepsLeftovers: false, seen: "nothing" },
])("a device that keeps leftovers: $keepsLeftovers shows $seen of them", async ({ keepsLeftovers }) => {
  const { program, weights } = await seesAll();
  const device = await testServiceFrom(new MemoryWeights(weights), { keepsLeftovers });
  await device.load("other", poisonProgram(planSlots(program).slotBytes, 0xffffffff), verified);
  await device.load("reader", program, verified);
  await device.run({ program: "other", inputs: [] });
  const seen = await bytesSeen(device, "reader");
  if (keepsLeftovers) expect(seen).toBeGreaterThan(8192);
  else expect(seen).toBe(0);
  for (const id of ["other", "reader"]) await device.unload(id);
});

describe("a lane", () => {
  const user = (isProven = true) => ({ isProven });
  const used = (lane: Lane, by: LaneUser) => {
    lane.enter(by);
    lane.submitted(by);
  };
  const laneOf = async () => new Lane(0, new Ledger(await testDevice(), 2 ** 20));

  test("is taken over once by each Program that comes after another", async () => {
    const lane = await laneOf();
    const [a, b] = [user(), user()];
    expect(lane.isLeftByOthers(a)).toBe(true);
    used(lane, a);
    expect(lane.isLeftByOthers(a)).toBe(false);
    expect(lane.isLeftByOthers(b)).toBe(true);
    used(lane, b);
    expect(lane.isLeftByOthers(a)).toBe(true);
  });

  test("is nobody's where one that entered it has submitted nothing", async () => {
    const lane = await laneOf();
    const [a, b] = [user(), user()];
    used(lane, a);
    lane.enter(b);
    expect(lane.isLeftByOthers(a)).toBe(true);
    expect(lane.isLeftByOthers(b)).toBe(true);
  });

  test("is nobody's while the device may yet refuse what was submitted", async () => {
    const lane = await laneOf();
    const a = { isProven: false };
    used(lane, a);
    expect(lane.isLeftByOthers(a)).toBe(true);
    a.isProven = true;
    used(lane, a);
    expect(lane.isLeftByOthers(a)).toBe(false);
  });
});

/** Twice `x`, plus what a temporary held that it does not write first. */
function doubling(isRight: boolean) {
  const sketch = new Sketch();
  const [x, y] = [sketch.input("float32", 1), sketch.output("float32", 1)];
  const temporary = sketch.temporary(4);
  if (isRight) sketch.clear(temporary, 0, 4);
  const code = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> before: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = 2.0 * x[0] + before[0]; }`;
  sketch.dispatch({ code, bindings: [reads(x), reads(temporary), writes(y)] });
  return sketch.finish().program;
}

test.each([true, false])("verification finds a Program's reading of garbage: right %s", async (isRight) => {
  const device = await testServiceFrom(new MemoryWeights(new Map()), { keepsLeftovers: true });
  const cases = [1, -3, 100].map((x) => ({
    inputs: [floats([1], [x])],
    expected: new Map([["output0", floats([1], [2 * x])]]),
  }));
  expect(await verifyProgram(device, doubling(isRight), cases)).toMatchObject({
    ...{ writesBeforeReads: isRight, disagreement: undefined },
  });
});
