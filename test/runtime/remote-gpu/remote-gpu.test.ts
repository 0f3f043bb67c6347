/** A device that is somebody else's, against the device itself. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test, vi } from "vitest";
import { RemoteBuffer } from "../../../runtime/remote-gpu/client/buffer.ts";
import { testDevice } from "../../gpu.ts";
import { remotePair } from "./remote-pair.ts";
import { samples } from "./samples.ts";

const storage = 0x80;
const copySource = 0x4;
const mapRead = 0x1;
const copyTarget = 0x8;

/** Finalizers run in a turn of their own. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = (globalThis as { gc?: () => void }).gc ?? (runInNewContext("gc") as () => void);
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe.each([
  { name: "in batches", isBatched: true },
  { name: "each command by itself", isBatched: false },
])("code for WebGPU, sent $name, gives what it gives on the device", ({ isBatched }) => {
  test.each(samples.map((sample) => [sample.name, sample] as const))("%s", async (_, sample) => {
    const device = await testDevice();
    const { remote, session, budget } = remotePair(device, { isBatched });
    const errors: string[] = [];
    remote.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      errors.push((event as GPUUncapturedErrorEvent).error.message);
    });
    const expected = await sample.run(device);
    expect(expected.some((byte) => byte !== 0)).toBe(true);
    expect(await sample.run(remote)).toEqual(expected);
    expect(errors).toEqual([]);
    session.dispose();
    expect(budget.used).toBe(0);
  });
});

test("a pass of a hundred dispatches is one message", async () => {
  const { remote, session } = remotePair(await testDevice());
  const module = remote.createShaderModule({
    code: "@group(0) @binding(0) var<storage, read_write> n: array<u32>; @compute @workgroup_size(1) fn main() { n[0] += 1u; }",
  });
  const pipeline = remote.createComputePipeline({ layout: "auto", compute: { module } });
  const buffer = remote.createBuffer({ size: 4, usage: storage | copySource });
  const staging = remote.createBuffer({ size: 4, usage: mapRead | copyTarget });
  const group = remote.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const encoder = remote.createCommandEncoder();
  for (let i = 0; i < 100; i++) {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
    pass.end();
  }
  encoder.copyBufferToBuffer(buffer, staging, 4);
  remote.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  expect(new Uint32Array(staging.getMappedRange())[0]).toBe(100);
  expect(remote.connection.messages).toBe(1);
  session.dispose();
});

describe("errors", () => {
  test("reach the innermost scope that waits for their kind, over several messages", async () => {
    const { remote, session, settled } = remotePair(await testDevice());
    remote.pushErrorScope("validation");
    remote.pushErrorScope("out-of-memory");
    await settled();
    remote.createBuffer({ size: 16, usage: mapRead | storage });
    await settled();
    expect(await remote.popErrorScope()).toBeNull();
    const error = await remote.popErrorScope();
    expect(error?.message).toMatch(/usage/i);
    expect(error?.constructor.name).toContain("ValidationError");
    // And only there.
    remote.pushErrorScope("validation");
    remote.createBuffer({ size: 16, usage: storage });
    expect(await remote.popErrorScope()).toBeNull();
    await expect(remote.popErrorScope()).rejects.toMatchObject({ name: "OperationError" });
    session.dispose();
  });

  test("of one client are not heard by another, nor by the device", async () => {
    const device = await testDevice();
    const [wrong, right] = [remotePair(device), remotePair(device)];
    const heard: string[] = [];
    const listen = (name: string, target: GPUDevice) => {
      const listener = (event: Event) => {
        event.preventDefault();
        heard.push(name);
      };
      target.addEventListener("uncapturederror", listener);
      return () => target.removeEventListener("uncapturederror", listener);
    };
    const stops = [listen("wrong", wrong.remote), listen("right", right.remote), listen("device", device)];
    right.remote.pushErrorScope("validation");
    await right.settled();
    wrong.remote.createBuffer({ size: 16, usage: mapRead | storage });
    await wrong.settled();
    expect(await right.remote.popErrorScope()).toBeNull();
    await device.queue.onSubmittedWorkDone();
    expect(heard).toEqual(["wrong"]);
    for (const stop of stops) stop();
    wrong.session.dispose();
    right.session.dispose();
  });

  test("of a shader come with line and column, and refuse its pipeline", async () => {
    const { remote, session } = remotePair(await testDevice());
    remote.pushErrorScope("validation");
    const module = remote.createShaderModule({
      code: "@compute @workgroup_size(1)\nfn main() { nonsense(); }",
    });
    const { messages } = await module.getCompilationInfo();
    expect(messages[0]).toMatchObject({ type: "error", lineNum: 2 });
    expect(await remote.popErrorScope()).not.toBeNull();
    await expect(
      remote.createComputePipelineAsync({ layout: "auto", compute: { module } }),
    ).rejects.toMatchObject({ name: "GPUPipelineError", reason: "validation" });
    session.dispose();
  });

  test("of encoders show when they are finished", async () => {
    const { remote, session } = remotePair(await testDevice());
    const buffer = remote.createBuffer({ size: 16, usage: storage });
    const encoder = remote.createCommandEncoder();
    remote.pushErrorScope("validation");
    const pass = encoder.beginComputePass();
    encoder.clearBuffer(buffer);
    pass.end();
    expect(await remote.popErrorScope()).toBeNull();
    remote.pushErrorScope("validation");
    const commands = encoder.finish();
    expect((await remote.popErrorScope())?.message).toMatch(/pass is open/);
    remote.pushErrorScope("validation");
    remote.queue.submit([commands]);
    expect((await remote.popErrorScope())?.message).toMatch(/commandBuffer is invalid/);
    session.dispose();
  });

  test("what was submitted cannot be submitted again", async () => {
    const { remote, session } = remotePair(await testDevice());
    const commands = remote.createCommandEncoder().finish();
    remote.queue.submit([commands]);
    remote.pushErrorScope("validation");
    remote.queue.submit([commands]);
    expect(await remote.popErrorScope()).not.toBeNull();
    session.dispose();
  });
});

describe("mapping", () => {
  test("a buffer is mapped once at a time, and its ranges do not overlap", async () => {
    const { remote, session } = remotePair(await testDevice());
    const buffer = remote.createBuffer({ size: 32, usage: mapRead | copyTarget });
    expect(buffer.mapState).toBe("unmapped");
    const mapped = buffer.mapAsync(1);
    expect(buffer.mapState).toBe("pending");
    remote.pushErrorScope("validation");
    await expect(buffer.mapAsync(1)).rejects.toMatchObject({ name: "OperationError" });
    expect(await remote.popErrorScope()).not.toBeNull();
    await mapped;
    expect(buffer.mapState).toBe("mapped");
    const range = buffer.getMappedRange(8, 8);
    for (const [offset, size] of [
      [8, 4],
      [4, 4],
      [0, 64],
      [16, 6],
    ] as const)
      expect(() => buffer.getMappedRange(offset, size), `${offset} ${size}`).toThrow(DOMException);
    buffer.getMappedRange(16, 16);
    buffer.unmap();
    expect(range.byteLength).toBe(0);
    expect(() => buffer.getMappedRange()).toThrow(/not mapped/);
    session.dispose();
  });

  test("unmapping aborts what is not mapped yet, and it can be mapped again", async () => {
    const { remote, session } = remotePair(await testDevice());
    const buffer = remote.createBuffer({ size: 32, usage: mapRead | copyTarget });
    const mapped = buffer.mapAsync(1);
    buffer.unmap();
    await expect(mapped).rejects.toMatchObject({ name: "AbortError" });
    await buffer.mapAsync(1);
    expect(buffer.getMappedRange().byteLength).toBe(32);
    session.dispose();
  });

  test("a wrong mapping is refused with the device's words", async () => {
    const { remote, session } = remotePair(await testDevice());
    const buffer = remote.createBuffer({ size: 32, usage: storage });
    remote.pushErrorScope("validation");
    await expect(buffer.mapAsync(1)).rejects.toThrow(DOMException);
    expect(await remote.popErrorScope()).not.toBeNull();
    session.dispose();
  });
});

describe("arguments", () => {
  test("that cannot be converted throw, and nothing of their call is sent", async () => {
    const { remote, session } = remotePair(await testDevice());
    const buffer = remote.createBuffer({ size: 256, usage: storage | copySource | copyTarget });
    const readable = remote.createBuffer({ size: 16, usage: mapRead | copyTarget });
    const encoder = remote.createCommandEncoder();
    remote.pushErrorScope("validation");
    expect(() => encoder.clearBuffer(buffer, -4)).toThrow(TypeError);
    expect(() => encoder.copyBufferToBuffer(buffer, 0, buffer, Number.NaN, 4)).toThrow(TypeError);
    const pass = encoder.beginComputePass();
    expect(() => pass.dispatchWorkgroups(-1)).toThrow(TypeError);
    expect(() => pass.setBindGroup(0, null, [Number.NaN])).toThrow(TypeError);
    pass.end();
    expect(() => remote.queue.writeBuffer(buffer, -1, new Uint32Array(1))).toThrow(TypeError);
    await expect(readable.mapAsync(-1)).rejects.toThrow(TypeError);
    expect(readable.mapState).toBe("unmapped");
    remote.queue.submit([encoder.finish()]);
    expect(await remote.popErrorScope()).toBeNull();
    session.dispose();
  });

  test("what an open encoder names stays, though its maker has forgotten it", async () => {
    const { remote, session, settled } = remotePair(await testDevice());
    const staging = remote.createBuffer({ size: 4, usage: mapRead | copyTarget });
    const encoder = remote.createCommandEncoder();
    const forgotten: WeakRef<GPUBuffer>[] = [];
    const nameOne = () => {
      const buffer = remote.createBuffer({ size: 4, usage: copySource, mappedAtCreation: true });
      new Uint32Array(buffer.getMappedRange())[0] = 5;
      buffer.unmap();
      encoder.copyBufferToBuffer(buffer, staging, 4);
      forgotten.push(new WeakRef(buffer));
    };
    nameOne();
    await settled();
    await collectGarbage();
    expect(forgotten[0]!.deref()).toBeDefined();
    remote.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    expect(new Uint32Array(staging.getMappedRange())[0]).toBe(5);
    session.dispose();
  });
});

describe("limits of a client", () => {
  test("what it forgets is freed", async () => {
    const { remote, session, budget, settled } = remotePair(await testDevice());
    const make = () => void remote.createBuffer({ size: 1024, usage: storage });
    make();
    await settled();
    expect(budget.used).toBe(1024);
    await vi.waitFor(
      async () => {
        await collectGarbage();
        await settled();
        expect(budget.used).toBe(0);
      },
      { timeout: 10_000 },
    );
    session.dispose();
  });

  test("what is destroyed while the GPU is busy with it does not make room for ever more", async () => {
    const { remote, session } = remotePair(await testDevice(), { budgetBytes: 4096 });
    remote.pushErrorScope("validation");
    remote.pushErrorScope("out-of-memory");
    for (let i = 0; i < 8; i++) {
      const buffer = remote.createBuffer({ size: 4096, usage: storage | copyTarget });
      const encoder = remote.createCommandEncoder();
      encoder.clearBuffer(buffer);
      remote.queue.submit([encoder.finish()]);
      buffer.destroy();
    }
    expect((await remote.popErrorScope())?.constructor.name).toContain("OutOfMemoryError");
    // What was to be done with them is invalid.
    expect(await remote.popErrorScope()).not.toBeNull();
    await remote.queue.onSubmittedWorkDone();
    remote.pushErrorScope("out-of-memory");
    remote.createBuffer({ size: 4096, usage: storage });
    expect(await remote.popErrorScope()).toBeNull();
    session.dispose();
  });

  test("its budget of bytes is kept, and what it destroys is given back", async () => {
    const { remote, session, budget } = remotePair(await testDevice(), { budgetBytes: 1024 });
    const make = async (size: number) => {
      remote.pushErrorScope("out-of-memory");
      const buffer = remote.createBuffer({ size, usage: storage });
      return { buffer, error: await remote.popErrorScope() };
    };
    const first = await make(1000);
    expect(first.error).toBeNull();
    expect(budget.used).toBe(1000);
    const second = await make(100);
    expect(second.error?.constructor.name).toContain("OutOfMemoryError");
    expect(second.error?.message).toMatch(/1000 of the budget of 1024/);
    first.buffer.destroy();
    expect((await make(100)).error).toBeNull();
    expect(budget.used).toBe(100);
    session.dispose();
    expect(budget.used).toBe(0);
  });

  test("it reaches no object but its own, whatever ids it names", async () => {
    const device = await testDevice();
    const [owner, thief] = [remotePair(device), remotePair(device)];
    const descriptor = { size: 16, usage: storage | copySource };
    const secret = owner.remote.createBuffer({ ...descriptor, mappedAtCreation: true }) as RemoteBuffer;
    new Uint32Array(secret.getMappedRange()).fill(42);
    secret.unmap();
    await owner.settled();
    const staging = thief.remote.createBuffer({ size: 16, usage: mapRead | copyTarget });
    // The owner's own handle, and one that is made up with the owner's ids.
    const madeUp = [1, 2, 3].map(
      (id) => new RemoteBuffer(thief.remote.connection, id + 50, descriptor, new Set()),
    );
    for (const forged of [secret, ...madeUp]) {
      thief.remote.pushErrorScope("validation");
      const encoder = thief.remote.createCommandEncoder();
      encoder.copyBufferToBuffer(forged, staging, 16);
      thief.remote.queue.submit([encoder.finish()]);
      expect((await thief.remote.popErrorScope())?.message).toMatch(/buffer is invalid/);
      thief.remote.pushErrorScope("validation");
      thief.remote.queue.writeBuffer(forged, 0, new Uint32Array(4));
      expect((await thief.remote.popErrorScope())?.message).toMatch(/buffer is invalid/);
    }
    await staging.mapAsync(1);
    expect([...new Uint32Array(staging.getMappedRange())]).toEqual([0, 0, 0, 0]);
    owner.session.dispose();
    thief.session.dispose();
  });

  test("after its device is destroyed it is told so, and its buffers are gone", async () => {
    const device = await testDevice();
    const { remote, budget } = remotePair(device);
    remote.createBuffer({ size: 64, usage: storage });
    remote.destroy();
    expect(await remote.lost).toMatchObject({ reason: "destroyed" });
    // Nothing is left to wait for, and nothing is wrong.
    await remote.queue.onSubmittedWorkDone();
    expect(await remote.popErrorScope()).toBeNull();
    const another = remote.createBuffer({ size: 4, usage: mapRead | copyTarget });
    await expect(another.mapAsync(1)).rejects.toMatchObject({ name: "AbortError" });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(budget.used).toBe(0);
    // The device itself is as it was.
    const buffer = device.createBuffer({ size: 4, usage: mapRead | copyTarget });
    await buffer.mapAsync(1);
    buffer.destroy();
  });

  test("what draws is refused by name", async () => {
    const { remote, session } = remotePair(await testDevice());
    expect(() => remote.createTexture()).toThrow(/Cannot create a texture/);
    expect(() => remote.createCommandEncoder().beginRenderPass({ colorAttachments: [] })).toThrow(
      /render pass/,
    );
    session.dispose();
  });
});
