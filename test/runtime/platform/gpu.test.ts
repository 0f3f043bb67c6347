import { beforeAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { findAdapter } from "../../../runtime/adapter/find-adapter.ts";
import { RpcClient } from "../../../runtime/port/rpc-client.ts";

const child = new URL("./children/gpu.ts", import.meta.url);

describe("`openGpu()` in a process of its own", () => {
  let environment: Readonly<Record<string, string>>;
  beforeAll(async () => {
    ({ environment } = await findAdapter(platform));
  });

  async function ask(options: object): Promise<unknown> {
    const started = await platform.spawnProcess(child, { environment });
    try {
      return (await new RpcClient(started.port).call("compute", options)).result;
    } finally {
      started.kill();
      await started.exited;
    }
  }

  test("computes with Dawn and brings the constants of WebGPU", async () => {
    expect(await ask({})).toEqual({ implementation: "dawn", isCorrect: true, usage: 128 });
  });

  test("opens what the runtime has itself where that is asked for", async () => {
    const answer = ask({ implementation: "native" });
    if (platform.runtime === "deno") {
      expect(await answer).toEqual({ implementation: "wgpu", isCorrect: true, usage: 128 });
    } else {
      await expect(answer).rejects.toMatchObject({ code: "UNSUPPORTED" });
    }
  });

  test("computes in a worker thread too", async () => {
    const started = await platform.spawnProcess(child, { environment });
    try {
      const client = new RpcClient(started.port);
      const { result } = await client.call("computeInWorker");
      expect(result).toEqual({ implementation: "dawn", isCorrect: true, usage: 128 });
    } finally {
      started.kill();
      await started.exited;
    }
  });
});

test("Dawn's null backend opens in this process, and lets it end", async () => {
  const { gpu, implementation, close } = await platform.openGpu({ backend: "null" });
  expect(implementation).toBe("dawn");
  const device = await (await gpu.requestAdapter())!.requestDevice();
  expect(device.limits.maxBufferSize).toBeGreaterThan(0);
  device.destroy();
  close();
});
