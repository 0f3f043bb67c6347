/** One output to a file whose form follows from its name. */
import { writeFile } from "node:fs/promises";
import { DawnletError } from "../../kernels/errors.ts";
import { writeNpy } from "../../kernels/npy.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { writePng } from "../tensors/image.ts";
import { jsonOf } from "./show-tensor.ts";

type Writer = (name: string, tensor: Tensor) => Uint8Array | string;

const writers: Readonly<Record<string, Writer>> = {
  npy: (_name, tensor) => writeNpy(tensor),
  json: (name, tensor) => `${jsonOf(name, tensor)}\n`,
  bin: (_name, tensor) => tensor.data,
  png: writePng,
};

/** Before the call: whether the file's name says what to write. @throws DawnletError INVALID_ARGUMENT */
export function tensorWriter(path: string): Writer {
  const ending = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  if (Object.hasOwn(writers, ending)) return writers[ending]!;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot write '${path}': expected a name that ends in ${Object.keys(writers)
      .map((one) => `.${one}`)
      .join(", ")}`,
  );
}

/** @throws DawnletError INVALID_ARGUMENT for a tensor that the form cannot hold, UNAVAILABLE where the disk refuses. */
export async function writeTensor(path: string, name: string, tensor: Tensor): Promise<void> {
  const content = tensorWriter(path)(name, tensor);
  await writeFile(path, content).catch((cause: Error) => {
    throw new DawnletError("UNAVAILABLE", `Cannot write output '${name}': ${cause.message}`, { cause });
  });
}
