/** The process of one handler: sealed, with nothing but its Port. Serves until its parent goes. */
import { platform } from "#platform";
import { serveRpc } from "../port/rpc-server.ts";
import { splitPort } from "../port/split-port.ts";
import { Isolate } from "./isolate.ts";
import { channels, type StartParams } from "./protocol.ts";
import { warmUp } from "./warm-up.ts";

const port = await platform.connectParent();
const { control, ...others } = splitPort(port, channels);
const { exit } = platform;
const isolate = new Isolate(others);
platform.onUncaught((error) => isolate.uncaught(error));
// A handler that is there at once does not wait for it. What it cannot do, that will be told.
const warming = setTimeout(() => warmUp().catch(() => {}), 50);
serveRpc(control, {
  start: async (params, [code]) => {
    clearTimeout(warming);
    await isolate.start(params as StartParams, code!);
    return {};
  },
  ping: () => ({}),
});
await port.closed;
exit(0);
