/** A model and the files beside it, read whole into memory. */
import { DawnletError } from "../../kernels/errors.ts";
import type { FileLookup } from "../../models/onnx/external.ts";
import type { Platform } from "../platform/platform.ts";
import type { ModelSource } from "./protocol.ts";

export async function readModel(
  { files: store }: Platform,
  { modelPath, files: paths }: ModelSource,
): Promise<{ model: Uint8Array; files: FileLookup }> {
  const readWhole = async (path: string): Promise<Uint8Array> => {
    const bytes = await store.read(path);
    if (bytes === undefined)
      throw new DawnletError("CORRUPT_DATA", "A stored model file is missing: deploy the function again");
    return bytes;
  };
  const files = new Map<string, Uint8Array>();
  for (const [name, path] of Object.entries(paths)) files.set(name, await readWhole(path));
  return { model: await readWhole(modelPath), files: (location) => files.get(location) };
}
