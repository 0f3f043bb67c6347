/** The floor of a handler's call: a process that sends back what it is sent, by one call over the same kind of socket. */
import { platform } from "#platform";
import { serveRpc } from "../../runtime/port/rpc-server.ts";

const parent = await platform.connectParent();
serveRpc(parent, { echo: (_, attachments) => ({ attachments }) });
await parent.closed;
platform.exit(0);
