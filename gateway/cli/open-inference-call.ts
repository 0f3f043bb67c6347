/** A call by the Open Inference Protocol's binary extension, from the client's side. */
import { DawnletError } from "../../kernels/errors.ts";
import { parseShape } from "../../kernels/parse-shape.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { BinaryReader, headerLengthName, joinBody, parseHeaderLength } from "../tensors/binary.ts";
import { openInferenceNames, parseOpenInferenceName } from "../tensors/datatypes.ts";
import { isRecord, parseJson } from "../tensors/json-text.ts";
import type { Client } from "./client.ts";
import type { CallArguments } from "./invoke-arguments.ts";

export interface RemoteCall extends CallArguments {
  readonly name: string;
  /** Number or digest; left out: the current one. */
  readonly version?: string | undefined;
  /** Left out: all. */
  readonly outputs?: readonly string[] | undefined;
}

export interface RemoteResult {
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Milliseconds by hop as the gateway tells them, then as this process saw it. */
  readonly times: ReadonlyArray<readonly [hop: string, milliseconds: number]>;
}

/** @throws DawnletError as the gateway answers. */
export async function callRemotely(client: Client, call: RemoteCall): Promise<RemoteResult> {
  const { body, jsonBytes } = encodeCall(call);
  const version = call.version === undefined ? "" : `/versions/${encodeURIComponent(call.version)}`;
  const startedAt = performance.now();
  const response = await client.request(`/v2/models/${encodeURIComponent(call.name)}${version}/infer`, {
    method: "POST",
    headers: { [headerLengthName]: String(jsonBytes), "content-type": "application/octet-stream" },
    body: new Uint8Array(body),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const seenMs = performance.now() - startedAt;
  const times = parseServerTiming(response.headers.get("server-timing") ?? "");
  return {
    outputs: decodeResult(bytes, response.headers.get(headerLengthName)),
    times: [...times, ["seen here", seenMs]],
  };
}

function encodeCall({ inputs, parameters, outputs }: RemoteCall): { body: Uint8Array; jsonBytes: number } {
  const entries = Object.entries(inputs);
  const request = {
    parameters: { ...parameters, binary_data_output: true },
    inputs: entries.map(([name, { dataType, shape, data }]) => ({
      name,
      shape,
      datatype: openInferenceNames[dataType],
      parameters: { binary_data_size: data.byteLength },
    })),
    ...(outputs && { outputs: outputs.map((name) => ({ name })) }),
  };
  return joinBody(
    JSON.stringify(request),
    entries.map(([, tensor]) => tensor.data),
  );
}

function decodeResult(body: Uint8Array, headerLength: string | null): Map<string, Tensor> {
  const jsonBytes =
    headerLength === null ? body.byteLength : parseHeaderLength(headerLength, body.byteLength);
  const answer = parseJson(body.subarray(0, jsonBytes), { what: "the gateway's answer" });
  if (!isRecord(answer) || !Array.isArray(answer.outputs))
    throw new DawnletError("UNSUPPORTED", "Cannot read the gateway's answer: it has no outputs");
  const binary = new BinaryReader(body.subarray(jsonBytes));
  const outputs = new Map<string, Tensor>();
  for (const output of answer.outputs) {
    if (!isRecord(output) || typeof output.name !== "string" || !isRecord(output.parameters))
      throw new DawnletError("UNSUPPORTED", "Cannot read the gateway's answer: an output is not as bytes");
    const { name, parameters } = output;
    const shape = parseShape(name, output.shape);
    const dataType = parseOpenInferenceName(name, output.datatype);
    outputs.set(name, binary.take(name, dataType, shape, parameters.binary_data_size));
  }
  binary.finish();
  return outputs;
}

/** https://www.w3.org/TR/server-timing/, as far as the gateway writes it: `execute;dur=1.5, total;dur=2`. */
function parseServerTiming(header: string): Array<readonly [string, number]> {
  return [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, hop, ms]) => [hop!, Number(ms)] as const);
}
