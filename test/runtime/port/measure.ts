/**
 * Measures calls between two processes, and to a worker thread: round trips by size and calls a second.
 * Run by hand: `node test/runtime/port/measure.ts` or `deno run -A test/runtime/port/measure.ts`.
 */
import { platform } from "#platform";
import type { Port } from "../../../runtime/port/port.ts";
import { RpcClient } from "../../../runtime/port/rpc-client.ts";

const echo = new URL("../platform/children/echo.ts", import.meta.url);

function quantile(times: readonly number[], part: number): string {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * part)]!.toFixed(3);
}

async function roundTrips(client: RpcClient, sizeBytes: number, count: number): Promise<number[]> {
  const times: number[] = [];
  const bytes = new Uint8Array(sizeBytes).fill(1);
  for (let index = 0; index < count; index++) {
    const begun = performance.now();
    await client.call("echo", { program: "x" }, [bytes]);
    times.push(performance.now() - begun);
  }
  return times.slice(count >> 2);
}

async function callsPerSecond(client: RpcClient, outstanding: number, sizeBytes: number): Promise<number> {
  const bytes = new Uint8Array(sizeBytes);
  const end = performance.now() + 1500;
  let calls = 0;
  await Promise.all(
    Array.from({ length: outstanding }, async () => {
      for (; performance.now() < end; calls++) await client.call("echo", { program: "x" }, [bytes]);
    }),
  );
  return calls / 1.5;
}

async function measure(name: string, port: Port): Promise<void> {
  const client = new RpcClient(port);
  for (const [sizeBytes, count] of [
    [64, 4000],
    [64 * 1024, 2000],
    [600_000, 800],
    [8_000_000, 80],
    [64_000_000, 12],
  ] as const) {
    const times = await roundTrips(client, sizeBytes, count);
    console.log(
      `${name}: ${sizeBytes} B both ways: p50 ${quantile(times, 0.5)} ms, p10 ${quantile(times, 0.1)} ms`,
    );
  }
  for (const outstanding of [1, 64]) {
    const rate = await callsPerSecond(client, outstanding, 64);
    console.log(`${name}: ${Math.round(rate)} calls/s of 64 B with ${outstanding} outstanding`);
  }
}

const child = await platform.spawnProcess(echo);
await measure(`${platform.runtime}, process`, child.port);
await child.stop();
const worker = platform.spawnWorker(echo);
await measure(`${platform.runtime}, worker thread`, worker.port);
await worker.terminate();
