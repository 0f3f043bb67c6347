/** The process of one handler: sealed, with nothing but its Port. Serves until its parent goes. */
import { platform } from "#platform";
import { serveRpc } from "../port/rpc-server.ts";
import { splitPort } from "../port/split-port.ts";
import { Isolate } from "./isolate.ts";
import { channels, type StartParams } from "./protocol.ts";

const port = await platform.connectParent();
const { control, ...others } = splitPort(port, channels);
const { exit } = platform;
const isolate = new Isolate(others);
platform.onUncaught((error) => isolate.uncaught(error));
serveRpc(control, {
  start: async (params, [code]) => {
    await isolate.start(params as StartParams, code!);
    return {};
  },
  ping: () => ({}),
});
await port.closed;
exit(0);
