/** A function whose runs are long, and one whose runs are short, on one device, by way of the gateway. */
import { expect, test } from "vitest";
import type { Tensors } from "../../kernels/tensor.ts";
import { outputsDigest } from "./function-crowd.ts";
import { gatewayFor } from "./running-gateway.ts";
import { shaderBundle } from "./small-functions.ts";
import { tensorOf } from "./tensors.ts";

const server = gatewayFor("all tests");

const steps = 40;
const longRounds = 40_000;

const shader = `
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var state = x[0] + y[id.x] + id.x;
  for (var i = 0u; i < x[1]; i++) { state = state * 1664525u + (state >> 15u); }
  y[id.x] = state;
}
`;

/** So many steps, each of which goes on with what the one before has left. */
function wanderer(count: number): Uint8Array {
  return shaderBundle(shader, {
    inputs: { x: { type: "uint32", shape: [2] } },
    outputs: { y: { type: "uint32", shape: [64] } },
    steps: Array.from({ length: count }, () => ({
      kernel: "main",
      bind: { x: "x", y: "y" },
      workgroups: [1],
    })),
  });
}

const inputs = (rounds: number): Tensors => ({ x: tensorOf("uint32", [2], [7, rounds]) });
const call = async (name: string, rounds: number) =>
  outputsDigest(await server.client.infer(name, inputs(rounds)));

test("calls of a short function are answered while a run of a long one goes on, and both are right", async () => {
  await server.client.mustDeploy("long", wanderer(steps));
  await server.client.mustDeploy("short", wanderer(1));
  // What they take is learned, and what they give alone.
  const longAlone = [await call("long", longRounds), await call("long", longRounds)];
  const shortAlone = [await call("short", 10), await call("short", 10)];
  expect([longAlone[0], shortAlone[0]]).toEqual([longAlone[1], shortAlone[1]]);

  let isLongDone = false;
  const long = call("long", longRounds).finally(() => {
    isLongDone = true;
  });
  let answered = 0;
  while (!isLongDone) {
    expect(await call("short", 10)).toBe(shortAlone[0]);
    if (!isLongDone) answered++;
  }
  expect(await long).toBe(longAlone[0]);
  // One may have come before it; a gateway that waits for long runs answers none.
  expect(answered).toBeGreaterThan(2);
});
