/**
 * The raw upload rate of an adapter, in a process of its own: bytes that lie in host memory into GPUBuffers that were
 * used before, by `writeBuffer` in pieces of the size that is fastest here, and nothing else.
 */
import * as v from "valibot";
import { platform } from "#platform";
import { gpuOptionsFor, openDevice } from "../../runtime/device/open.ts";
import { adapterChoice } from "../../runtime/device/protocol.ts";
import { serveRpc } from "../../runtime/port/rpc-server.ts";
import { median } from "../harness/statistics.ts";

const openParams = v.object({ ...adapterChoice, totalBytes: v.number() });
const mebibyte = 2 ** 20;
const pieceSizes = [mebibyte, 4 * mebibyte, 16 * mebibyte];
const slabBytes = 64 * mebibyte;

let measure: (() => Promise<number>) | undefined;

/** Uploads of each piece size before one is chosen. */
const trials = 5;

/** @returns a function that uploads everything once and gives the milliseconds. */
async function open(params: unknown): Promise<() => Promise<number>> {
  const { totalBytes, ...adapter } = v.parse(openParams, params);
  const gpu = await platform.openGpu(gpuOptionsFor(adapter));
  const { device } = await openDevice({ open: gpu, backend: adapter.backend, ask: "all" });
  const source = new Uint8Array(totalBytes).fill(1);
  const slabs: GPUBuffer[] = [];
  for (let at = 0; at < totalBytes; at += slabBytes) {
    const size = Math.min(slabBytes, Math.ceil((totalBytes - at) / 4) * 4);
    slabs.push(device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST }));
  }
  const upload = async (pieceBytes: number): Promise<number> => {
    const startedAt = performance.now();
    for (const [i, slab] of slabs.entries()) {
      for (let at = 0; at < slab.size; at += pieceBytes) {
        const size = Math.min(pieceBytes, slab.size - at);
        device.queue.writeBuffer(slab, at, source, i * slabBytes + at, size);
      }
    }
    await device.queue.onSubmittedWorkDone();
    return performance.now() - startedAt;
  };
  await upload(pieceSizes[0]!);
  const times = new Map<number, number[]>(pieceSizes.map((size) => [size, []]));
  for (let trial = 0; trial < trials; trial++) for (const [size, all] of times) all.push(await upload(size));
  const [[best]] = [...times].sort(([, a], [, b]) => median(a) - median(b)) as [[number, number[]]];
  return () => upload(best);
}

const port = await platform.connectParent();
serveRpc(port, {
  open: async (params) => {
    measure = await open(params);
    return {};
  },
  measure: async () => {
    if (measure === undefined) throw new Error("Nothing is open");
    return { result: await measure() };
  },
});
await port.closed;
platform.exit(0);
