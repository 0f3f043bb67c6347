/** A model and the files beside it, read whole into memory. */
import { DawnletError } from "../../kernels/errors.ts";
import { maximumMessageBytes } from "../../models/onnx/encode.ts";
import type { FileLookup } from "../../models/onnx/external.ts";
import type { Platform } from "../platform/platform.ts";
import type { ModelSource } from "./protocol.ts";

/** @throws DawnletError CORRUPT_DATA where a file is missing, UNSUPPORTED_MODEL where one has more than 2 GiB. */
export async function readModel(
  { files: store }: Platform,
  { modelPath, files: paths }: ModelSource,
): Promise<{ model: Uint8Array; files: FileLookup }> {
  const readWhole = async (what: string, path: string): Promise<Uint8Array> => {
    // Before it is read: neither a Node buffer nor ORT's memory would hold more.
    const { sizeBytes } = (await store.stat(path)) ?? { sizeBytes: 0 };
    if (sizeBytes > maximumMessageBytes)
      throw new DawnletError(
        "UNSUPPORTED_MODEL",
        `Cannot read ${what} as it has ${sizeBytes} bytes: at most 2 GiB are taken, larger models keep their weights in several files of external data`,
      );
    const bytes = await store.read(path);
    if (bytes === undefined)
      throw new DawnletError("CORRUPT_DATA", "A stored model file is missing: deploy the function again");
    return bytes;
  };
  const files = new Map<string, Uint8Array>();
  for (const [name, path] of Object.entries(paths))
    files.set(name, await readWhole(`the file '${name}'`, path));
  return { model: await readWhole("the model", modelPath), files: (location) => files.get(location) };
}
