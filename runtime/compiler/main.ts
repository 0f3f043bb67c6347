/**
 * The compiler process: ONNX Runtime, a recording device and a replay device. Started for deploys and gone soon
 * after, because ORT's heap never shrinks and its faults must hurt nobody.
 */

import * as v from "valibot";
import { platform } from "#platform";
import { DawnletError } from "../../kernels/errors.ts";
import { Layouts } from "../device/layouts.ts";
import { gpuOptionsFor, openDevice } from "../device/open.ts";
import { DeviceService } from "../device/service.ts";
import { MemoryWeights } from "../device/weights.ts";
import type { OpenGpu } from "../platform/platform.ts";
import type { CallContext } from "../port/rpc-server.ts";
import { serveRpc } from "../port/rpc-server.ts";
import { type CompileDevice, compileModel, describeModel } from "./compile.ts";
import { type CompileParams, type CompileProgress, compileSchema, inspectSchema } from "./protocol.ts";
import { readModel } from "./read-model.ts";

let gpu: Promise<OpenGpu> | undefined;

function openGpu(adapter: CompileParams["adapter"]): Promise<OpenGpu> {
  gpu ??= platform.openGpu(gpuOptionsFor(adapter)).then((open) => {
    // ORT looks for navigator.gpu even when it is handed a device.
    if (globalThis.navigator.gpu !== open.gpu)
      Object.defineProperty(globalThis.navigator, "gpu", { value: open.gpu, configurable: true });
    return open;
  });
  return gpu;
}

async function compile(params: CompileParams, context: CallContext) {
  const { dimensions, batch } = params;
  const input = { ...(await readModel(platform, params)), dimensions, ...(batch && { batch }) };
  const outcome = await compileModel(input, {
    openDevice: () => openCompileDevice(params),
    progress: (phase, message) => context.progress({ phase, message } satisfies CompileProgress),
  });
  if (outcome.type !== "program") return { result: outcome };
  const weights = [];
  for (const [digest, bytes] of outcome.weights) {
    await platform.files.write(`${params.outputFolder}/${digest}`, bytes).catch((error: unknown) => {
      throw unwritten(params.outputFolder, bytes.byteLength, error);
    });
    weights.push({ digest, sizeBytes: bytes.byteLength });
  }
  const { type, maxAbsoluteError, slowestRunMs, writesBeforeReads } = outcome;
  const programJson = new TextEncoder().encode(JSON.stringify(outcome.program));
  return {
    result: { type, maxAbsoluteError, slowestRunMs, writesBeforeReads, weights },
    attachments: [programJson],
  };
}

/** A full disk, mostly. */
function unwritten(folder: string, sizeBytes: number, error: unknown): DawnletError {
  const reason = error instanceof Error ? error.message : String(error);
  const what = `Cannot store a compiled weight of ${sizeBytes} bytes in '${folder}': ${reason}`;
  return new DawnletError("UNAVAILABLE", `${what}. Free some space, and deploy again`, { cause: error });
}

async function openCompileDevice({
  adapter,
  most,
}: Pick<CompileParams, "adapter" | "most">): Promise<CompileDevice> {
  const { device, adapter: description } = await openDevice({
    open: await openGpu(adapter),
    ask: "portable",
    most,
  });
  const layouts = new Layouts(device);
  const budgetBytes = Number.MAX_SAFE_INTEGER;
  return {
    gpu: device,
    layouts,
    serve: (weights) =>
      new DeviceService({
        device,
        adapter: description,
        layouts,
        budgetBytes,
        weights: new MemoryWeights(weights),
        keepsLeftovers: true,
      }),
    [Symbol.dispose]: () => device.destroy(),
  };
}

const port = await platform.connectParent({ mayBlock: true });
serveRpc(port, {
  inspect: async (params) => {
    return { result: await describeModel(await readModel(platform, v.parse(inspectSchema, params))) };
  },
  compile: (params, _attachments, context) => compile(v.parse(compileSchema, params), context),
});
await port.closed;
platform.exit(0);
