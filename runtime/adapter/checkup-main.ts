/** Entry of the process that examines the chosen adapter for `dawnlet doctor`: 16-bit floats and upload rate. */
import { platform } from "#platform";
import { openDevice } from "../device/open.ts";
import { serveRpc } from "../port/rpc-server.ts";
import type { Checkup } from "./checkup.ts";
import { countWrongHalves } from "./f16-numerics.ts";
import { parseProbeParams } from "./probe-protocol.ts";
import { measureUploadRate } from "./upload-rate.ts";

const port = await platform.connectParent();
port.closed.then(() => platform.exit(0));

serveRpc(port, {
  async checkup(params) {
    const options = parseProbeParams(params);
    const open = await platform.openGpu(options);
    const { device } = await openDevice({ open, backend: options.backend, ask: "all" });
    const wrongHalves = device.features.has("shader-f16") ? await countWrongHalves(device) : null;
    const result: Checkup = { wrongHalves, upload: await measureUploadRate(device) };
    device.destroy();
    return { result };
  },
});
