/** Records a model into files for the cold-start benchmark: what a deploy leaves in the store. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { platform } from "#platform";
import type { Tensor, TensorSpec } from "../../kernels/tensor.ts";
import { prepareVariant } from "../../models/prepare.ts";
import { recordModel } from "../../models/record/record.ts";
import { sampleDomains, sampleTensor } from "../../models/verify/samples.ts";
import { Layouts } from "../../runtime/device/layouts.ts";
import { gpuOptionsFor, openDevice } from "../../runtime/device/open.ts";
import { adapterChoice, blobPath } from "../../runtime/device/protocol.ts";
import { serveRpc } from "../../runtime/port/rpc-server.ts";

const recordParams = v.object({
  ...adapterChoice,
  modelPath: v.string(),
  /** Where the Program (`program.json`) and its weights (`blobs/`) go. */
  folder: v.string(),
});

async function record(params: unknown): Promise<void> {
  const { modelPath, folder, ...adapter } = v.parse(recordParams, params);
  const open = await platform.openGpu(gpuOptionsFor(adapter));
  Object.defineProperty(globalThis.navigator, "gpu", { value: open.gpu, configurable: true });
  const { device } = await openDevice({ open, backend: adapter.backend, ask: "portable" });
  const { gpu, gpuInputs } = prepareVariant(await readFile(modelPath), () => undefined, {});
  const samples = [samplesOf(gpuInputs, 1), samplesOf(gpuInputs, 2)] as const;
  const request = { device, layouts: new Layouts(device), files: gpu, inputs: gpuInputs, samples };
  await recordModel(request, async ({ program, weights }) => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "program.json"), JSON.stringify(program));
    for (const [digest, bytes] of weights) {
      const path = blobPath(join(folder, "blobs"), digest);
      await mkdir(join(path, ".."), { recursive: true });
      await writeFile(path, bytes);
    }
  });
}

function samplesOf(specs: readonly TensorSpec[], seed: number): Tensor[] {
  return specs.map((spec, i) => sampleTensor(spec, sampleDomains[0]!, seed * 100 + i));
}

const port = await platform.connectParent();
serveRpc(port, {
  record: async (params) => {
    await record(params);
    return {};
  },
});
await port.closed;
platform.exit(0);
