/**
 * One process a function with ONNX Runtime Web, as people serve models without a runtime for many: a few such processes
 * are started and measured, and how many would fit is reckoned from them.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "#platform";
import { hostMemoryBytes } from "../../gateway/devices/host-memory.ts";
import { buildModel } from "../../models/zoo/builder.ts";
import { linear } from "../../models/zoo/layers.ts";
import type { FoundAdapter } from "../../runtime/adapter/find-adapter.ts";
import type { ChildProcess } from "../../runtime/platform/platform.ts";
import { RpcClient } from "../../runtime/port/rpc-client.ts";
import { median } from "../harness/statistics.ts";
import { processMemory } from "./process-memory.ts";

export interface OrtProcesses {
  readonly processes: number;
  /** From nothing to the first output. */
  readonly startMs: number;
  /** Null where the system does not say. */
  readonly residentBytes: number | null;
  /** What one more takes: pages that no other process shares. */
  readonly ownBytes: number | null;
  readonly modelBytes: number;
  /** GPUBuffers of one process. */
  readonly deviceBytes: number;
  /** How many the memory of this machine takes. */
  readonly fitHost: number | null;
}

const processes = 3;
const layers = 4;

/** @param folder for the model. @param aboutBytes of weights. */
export async function measureOrtProcesses(
  found: FoundAdapter,
  folder: string,
  aboutBytes: number,
): Promise<OrtProcesses> {
  const width = Math.round(Math.sqrt(aboutBytes / 4 / layers));
  const modelPath = join(folder, "ort.onnx");
  await writeFile(modelPath, perceptron(width));
  const { implementation, backend } = found.gpuOptions;
  const adapter = { implementation, backend, isSoftware: found.description.adapter.isSoftware };
  const children: ChildProcess[] = [];
  const starts: number[] = [];
  try {
    const clients: RpcClient[] = [];
    for (let i = 0; i < processes; i++) {
      const startedAt = performance.now();
      const child = await platform.spawnProcess(new URL("./ort-main.ts", import.meta.url), {
        name: "an ONNX Runtime process",
        environment: found.environment,
      });
      children.push(child);
      const client = new RpcClient(child.port);
      await client.call("open", { ...adapter, modelPath, width });
      starts.push(performance.now() - startedAt);
      clients.push(client);
    }
    const memory = await Promise.all(children.map(({ pid }) => processMemory(pid)));
    const known = memory.filter((one) => one !== undefined);
    const ownBytes = known.length > 0 ? median(known.map((one) => one.ownBytes)) : null;
    return {
      processes,
      startMs: median(starts),
      residentBytes: known.length > 0 ? median(known.map((one) => one.residentBytes)) : null,
      ownBytes,
      modelBytes: layers * width * width * 4,
      deviceBytes: (await clients[0]!.call("deviceBytes", null)).result as number,
      fitHost: ownBytes === null ? null : Math.floor((await hostMemoryBytes()) / ownBytes),
    };
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

function perceptron(width: number): Uint8Array {
  return buildModel(
    "perceptron",
    (builder) => {
      let x = builder.input("data", "float32", [1, width]);
      for (let layer = 0; layer < layers; layer++) x = linear(builder, `layer${layer}`, x, width, width);
      builder.output("scores", x, "float32", [1, width]);
    },
    {},
  );
}
