/**
 * Entry of the process that tries an adapter: opens it, computes something, says what it is.
 * A process of its own because the driver is chosen by the environment, and because drivers crash.
 */
import { platform } from "#platform";
import { DawnletError } from "../../kernels/errors.ts";
import { serveRpc } from "../port/rpc-server.ts";
import { computesCorrectly } from "./computes.ts";
import { describeAdapter } from "./describe.ts";
import { parseProbeParams } from "./probe-protocol.ts";

const port = await platform.connectParent();
port.closed.then(() => platform.exit(0));

serveRpc(port, {
  async probe(params) {
    const options = parseProbeParams(params);
    const { gpu, implementation } = await platform.openGpu(options);
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new DawnletError("NO_ADAPTER", "it finds no adapter");
    const description = describeAdapter(adapter, implementation, options.backend);
    const device = await adapter.requestDevice();
    const isCorrect = options.backend === "null" || (await computesCorrectly(device));
    device.destroy();
    if (!isCorrect)
      throw new DawnletError("NO_ADAPTER", `${description.adapter.description} computes wrong results`);
    return { result: description };
  },
});
