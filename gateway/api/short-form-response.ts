/**
 * Results of calls in the short form: `{"y": [[1, 2], [3, 4]]}`, or one output as raw bytes, PNG or .npy.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { writeNpy } from "../../kernels/npy.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { FunctionVersion, InvocationResult } from "../functions/functions.ts";
import { bytesReply, jsonTextReply, type Reply } from "../http/reply.ts";
import { writePng } from "../tensors/image.ts";
import { encodeJson } from "../tensors/json-encode.ts";
import { type Form, mediaTypes } from "./media-types.ts";
import { listNames } from "./parameters.ts";

/**
 * Before the call: forms other than JSON hold one output.
 * @throws DawnletError INVALID_ARGUMENT saying how to choose one.
 */
export function checkForm(
  form: Form,
  version: FunctionVersion,
  outputs: readonly string[] | undefined,
): void {
  const count = outputs?.length ?? version.signature.outputs.length;
  if (form === "json" || count === 1) return;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot answer with ${mediaTypes[form]} as that holds one output: choose one with ?output=, of ${listNames(version.signature.outputs)}`,
  );
}

/** @throws DawnletError INVALID_ARGUMENT for a tensor that the form cannot hold. */
export function shortFormReply(form: Form, result: InvocationResult): Reply {
  if (form === "json") {
    const fields = result.outputs.map(
      ({ name, tensor }) => `${JSON.stringify(name)}:${encodeJson(name, tensor, "nested")}`,
    );
    return jsonTextReply(`{${fields.join(",")}}`);
  }
  // An engine that gives other outputs than it was asked for is a defect, not the client's mistake.
  const [output] = result.outputs;
  if (output === undefined) throw new RangeError(`Function '${result.version.name}' gave no output`);
  return tensorReply(form, output.name, output.tensor);
}

function tensorReply(form: Exclude<Form, "json">, name: string, tensor: Tensor): Reply {
  const headers = {
    "content-type": mediaTypes[form],
    "x-tensor-shape": tensor.shape.join(","),
    "x-tensor-type": tensor.dataType,
  };
  switch (form) {
    case "bytes":
      return bytesReply(tensor.data, headers);
    case "png":
      return bytesReply(writePng(name, tensor), headers);
    case "npy":
      return bytesReply(writeNpy(tensor), headers);
    default:
      return form satisfies never;
  }
}
