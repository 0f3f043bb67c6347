/** A device process, of this runtime or another, whose weights lie in a folder. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { DeviceApi, DeviceDescription } from "../../../runtime/device/api.ts";
import { deviceEntry, deviceProcessOptions, deviceStreams } from "../../../runtime/device/entry.ts";
import type { AdapterChoice } from "../../../runtime/device/open.ts";
import { blobPath, DeviceClient } from "../../../runtime/device/protocol.ts";
import type { Platform } from "../../../runtime/platform/platform.ts";
import { RpcClient } from "../../../runtime/port/rpc-client.ts";
import { splitPort } from "../../../runtime/port/split-port.ts";
import { budgetBytes } from "../checks/check.ts";

export interface StartedDevice {
  readonly api: DeviceApi;
  readonly description: DeviceDescription;
  /** @returns the errors of WebGPU that nobody caught. */
  close(): Promise<readonly string[]>;
}

/** @param environment names the adapter. */
export async function startProcess(
  platform: Pick<Platform, "spawnProcess">,
  environment: Readonly<Record<string, string>>,
  choice: AdapterChoice,
  blobs: ReadonlyMap<string, Uint8Array>,
): Promise<StartedDevice> {
  const blobFolder = await writeBlobs(blobs);
  const lines: string[] = [];
  const onLine = (line: string): void => void lines.push(line);
  const child = await platform.spawnProcess(deviceEntry, { ...deviceProcessOptions, environment, onLine });
  const close = async (): Promise<readonly string[]> => {
    // Drivers may hang in an orderly exit.
    child.kill();
    await child.exited;
    await rm(blobFolder, { recursive: true });
    // The rest is warnings, such as Dawn's of a dispatch without workgroups.
    return lines.filter((line) => line.startsWith("uncaptured"));
  };
  const api = new DeviceClient(
    new RpcClient(splitPort(child.port, deviceStreams).calls, {
      peer: "the device process",
      closedCode: "DEVICE_LOST",
    }),
  );
  try {
    return { api, close, description: await api.open({ ...choice, budgetBytes, blobFolder }) };
  } catch (error) {
    await close();
    throw new Error(`Cannot open the device: ${error}\n${lines.join("\n")}`, { cause: error });
  }
}

/** Writes weights as the store keeps them. @returns the folder. */
export async function writeBlobs(blobs: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "dawnlet-conformance-"));
  for (const [digest, blob] of blobs) {
    const path = blobPath(folder, digest);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, blob);
  }
  return folder;
}
