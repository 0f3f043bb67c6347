import { expect, test, vi } from "vitest";
import { platform } from "#platform";
import { RpcClient } from "../../../runtime/port/rpc-client.ts";

const echo = new URL("./children/echo.ts", import.meta.url);

test("`spawnWorker()` starts a thread and connects to it", async () => {
  const worker = platform.spawnWorker(echo, { name: "echo" });
  const client = new RpcClient(worker.port);
  const given = new Uint8Array([1, 2, 3]);
  const { result, attachments } = await client.call("echo", { a: 1 }, [given], { give: true });
  expect(result).toEqual({ a: 1 });
  expect([...attachments[0]!]).toEqual([1, 2, 3]);
  expect(given.byteLength).toBe(0);
  await expect(client.call("refuse")).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
  await worker.terminate();
  await client.closed;
});

test("ending a worker ends its calls, also where it hangs", async () => {
  const worker = platform.spawnWorker(echo);
  const client = new RpcClient(worker.port, { closedCode: "DEVICE_LOST" });
  await client.call("echo");
  const call = expect(client.call("hang")).rejects.toMatchObject({ code: "DEVICE_LOST" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await worker.terminate();
  await call;
});

test("a worker that crashes closes its Port and says why", async () => {
  const onError = vi.fn<(error: Error) => void>();
  const worker = platform.spawnWorker(echo, { onError });
  const client = new RpcClient(worker.port);
  // The crash may overtake the answer.
  await client.call("crash").catch(() => undefined);
  await client.closed;
  expect(onError).toHaveBeenCalledOnce();
  expect(onError.mock.calls[0]![0].message).toContain("crash on purpose");
  await worker.terminate();
});
