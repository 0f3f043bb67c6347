/**
 * Results of calls as Open Inference answers: JSON, or JSON followed by the bytes of those outputs that
 * were asked for in binary. The JSON is put together as text, so that tensors are written once.
 */
import type { InvocationResult } from "../functions/functions.ts";
import { bytesReply, jsonTextReply, type Reply } from "../http/reply.ts";
import { headerLengthName, joinBody } from "../tensors/binary.ts";
import { openInferenceNames } from "../tensors/datatypes.ts";
import { encodeJson } from "../tensors/json-encode.ts";
import type { InferRequest } from "./infer-request.ts";

/** @throws DawnletError INVALID_ARGUMENT for outputs without JSON form that were not asked for in binary. */
export function inferReply(request: InferRequest, result: InvocationResult): Reply {
  const tensors: Uint8Array[] = [];
  const outputs = result.outputs.map(({ name, tensor }) => {
    const isBinary = request.binaryByOutput.get(name) ?? request.isBinary;
    const head = `{"name":${JSON.stringify(name)},"shape":[${tensor.shape.join(",")}],"datatype":"${openInferenceNames[tensor.dataType]}"`;
    if (!isBinary) return `${head},"data":${encodeJson(name, tensor, "flat")}}`;
    tensors.push(tensor.data);
    return `${head},"parameters":{"binary_data_size":${tensor.data.byteLength}}}`;
  });
  const { name, version } = result.version;
  const id = request.id === undefined ? "" : `"id":${JSON.stringify(request.id)},`;
  const json = `{"model_name":"${name}","model_version":"${version}",${id}"outputs":[${outputs.join(",")}]}`;
  if (tensors.length === 0) return jsonTextReply(json);
  const { body, jsonBytes } = joinBody(json, tensors);
  return bytesReply(body, {
    "content-type": "application/octet-stream",
    [headerLengthName]: String(jsonBytes),
  });
}
