/** The device process: opens one GPUDevice, serves DeviceApi and GPU sessions on it to its parent until the parent goes. */
import { platform } from "#platform";
import { serveRpc } from "../port/rpc-server.ts";
import { splitPort } from "../port/split-port.ts";
import { BlobSource } from "./blob-source.ts";
import { deviceStreams } from "./entry.ts";
import { gpuOptionsFor, openDevice } from "./open.ts";
import { deviceHandlers, type OpenParams } from "./protocol.ts";
import { DeviceService } from "./service.ts";

async function open({
  budgetBytes,
  hostBudgetBytes,
  upload,
  sliceMs,
  blobFolder,
  ...choice
}: OpenParams): Promise<DeviceService> {
  const gpu = await platform.openGpu(gpuOptionsFor(choice));
  const { device, adapter } = await openDevice({ open: gpu, backend: choice.backend, ask: "all" });
  // A lost device cannot be trusted again: the supervisor starts a new process.
  device.lost.then(() => platform.exit(lostExitCode));
  device.addEventListener("uncapturederror", ({ error }) => {
    console.error(`uncaptured: ${error.message}`);
    // A command was dropped, or a buffer is missing as the driver has less memory than the budget says: no answer can
    // be trusted any more. What is known to be able to fail is caught where it is done.
    platform.exit(lostExitCode);
  });
  const weights = new BlobSource(blobFolder, platform.readBlob);
  const onWait = platform.pace(pace, () => service.isWaiting);
  const service = new DeviceService({
    device,
    adapter,
    weights,
    budgetBytes,
    hostBudgetBytes,
    upload,
    sliceMs,
    onWait,
  });
  const host = service.hostSessions((message) => sessions.send(message));
  sessions.receive((message) => {
    if (!host.receive(message)) sessions.close();
  });
  return service;
}

const lostExitCode = 70;
/** A tiny run is back within the grace; the pause is long against a turn of the event loop, short against a round. */
const pace = { graceMs: 0.25, pauseMs: 0.05 };
const port = await platform.connectParent();
const { calls, sessions } = splitPort(port, deviceStreams);
serveRpc(calls, deviceHandlers(open));
await port.closed;
// Dawn may hang while it tears down: nothing here needs an orderly end.
platform.exit(0);
