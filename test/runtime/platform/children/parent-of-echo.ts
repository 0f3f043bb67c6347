/** Starts a child, tells its process id, and is then killed: what becomes of the child? */
import { platform } from "#platform";
import { serveRpc } from "../../../../runtime/port/rpc-server.ts";

const port = await platform.connectParent();
const child = await platform.spawnProcess(new URL("./echo.ts", import.meta.url));
serveRpc(port, { childPid: () => ({ result: child.pid }) });
