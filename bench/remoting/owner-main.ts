/**
 * Owns the device of the remoting benchmark. Measures the program on it when it is asked to, and executes whatever
 * else comes as commands of a remote client.
 */
import process from "node:process";
import { platform } from "#platform";
import { gpuOptionsFor, openDevice } from "../../runtime/device/open.ts";
import { Budget } from "../../runtime/remote-gpu/server/budget.ts";
import { describeRemote } from "../../runtime/remote-gpu/server/describe.ts";
import { RemoteSession } from "../../runtime/remote-gpu/server/session.ts";
import { measureProgram, prepareProgram } from "./program.ts";

const [backendName] = process.argv.slice(2);
const backend = backendName === "null" ? "null" : undefined;
const port = await platform.connectParent();
const gpu = await platform.openGpu(gpuOptionsFor({ backend, isSoftware: backend === undefined }));
const { device } = await openDevice({ open: gpu, backend, ask: "all" });
const local = await prepareProgram(device);
let session: RemoteSession | undefined;

port.send({ header: { adapter: describeRemote(device) }, attachments: [] });
port.receive((message) => {
  const { measure, open } = message.header as { measure?: boolean; open?: boolean };
  if (measure === true) {
    void measureProgram(local).then((measured) => port.send({ header: { measured }, attachments: [] }));
  } else if (open === true) {
    session?.dispose();
    session = new RemoteSession({
      device,
      budget: new Budget(2 ** 30),
      send: (answer) => port.send(answer),
      queuedBytes: () => port.queuedBytes ?? 0,
    });
  } else session?.receive(message);
});
await port.closed;
platform.exit(0);
