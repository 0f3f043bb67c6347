/**
 * Runs in a page: starts a Web Worker that opens the browser's WebGPU, and runs the suite against it. The suite
 * and the weights are fetched by URL; half of the weights are then given to the worker over its port.
 */
import { platform } from "#platform";
import type { DeviceDescription } from "../../../runtime/device/api.ts";
import { blobPath } from "../../../runtime/device/protocol.ts";
import type { Report } from "../suite.ts";
import { type SuiteWorker, startWorker } from "./worker.ts";

let worker: SuiteWorker | undefined;

/** @param givenDigests weights that the page gives to the worker; it fetches the others itself. */
export async function start(
  suiteUrl: string,
  blobFolder: string,
  givenDigests: readonly string[],
): Promise<DeviceDescription> {
  const given = new Map<string, Uint8Array>();
  for (const digest of givenDigests) given.set(digest, await fetchBytes(blobPath(blobFolder, digest)));
  worker = await startWorker(platform, { encoded: await fetchBytes(suiteUrl), given, open: { blobFolder } });
  return worker.description;
}

export function run(name: string): Promise<Report> {
  return worker!.run(name);
}

export async function close(): Promise<void> {
  await worker?.close();
}

async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`Cannot fetch ${url}: the server says ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
