/**
 * A small client of a gateway over fetch: deploys, and calls by the Open Inference Protocol in its JSON and its
 * binary form. Gives statuses and bodies as they come: what is right, tests say.
 */
import type { FunctionStatus } from "../../gateway/functions/functions.ts";
import { openInferenceNames } from "../../gateway/tensors/datatypes.ts";
import type { DataType, Tensor, Tensors } from "../../kernels/tensor.ts";
import { floatsIn } from "./tensors.ts";

/** `error` and `code` of a refusal; both undefined for a success. */
export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly error: string | undefined;
  readonly code: string | undefined;
}

export interface Deployment {
  readonly function: FunctionStatus;
  readonly changed: boolean;
}

interface InferBody {
  readonly model_name: string;
  readonly model_version: string;
  readonly outputs: ReadonlyArray<{
    readonly name: string;
    readonly shape: readonly number[];
    readonly datatype: string;
    readonly data?: readonly (number | boolean | string)[];
    readonly parameters?: { readonly binary_data_size: number };
  }>;
}

export class Client {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  deploy(name: string, bytes: Uint8Array | string): Promise<Answer<Deployment>> {
    return this.send(`/v1/functions/${name}`, { method: "PUT", body: bytes as BodyInit });
  }

  /** A deploy that may take longer than fetch waits for an answer: the server tells its progress meanwhile. */
  async deploySlowly(name: string, bytes: Uint8Array): Promise<Answer<Deployment>> {
    const response = await fetch(`${this.url}/v1/functions/${name}`, {
      method: "PUT",
      headers: { accept: "application/x-ndjson" },
      body: bytes as BodyInit,
    });
    const last = (await response.text()).trim().split("\n").at(-1)!;
    const line = JSON.parse(last);
    return { status: response.status, body: line.result ?? line, error: line.error, code: line.code };
  }

  /** @returns the status of the deployed function. @throws Error with the server's words. */
  async mustDeploy(name: string, bytes: Uint8Array | string): Promise<FunctionStatus> {
    const answer = await this.deploy(name, bytes);
    if (answer.error !== undefined) throw new Error(`${answer.status} ${answer.code}: ${answer.error}`);
    return answer.body.function;
  }

  remove(name: string): Promise<Answer<unknown>> {
    return this.send(`/v1/functions/${name}`, { method: "DELETE" });
  }

  async status(name: string): Promise<FunctionStatus> {
    return (await this.send<FunctionStatus>(`/v1/functions/${name}`)).body;
  }

  /** Tensors travel as bytes, both ways. @param model a name, or `name/versions/2`. @throws Error with the server's words. */
  async infer(model: string, inputs: Tensors): Promise<Map<string, Tensor>> {
    const answer = await this.tryInfer(model, inputs);
    if ("error" in answer) throw new Error(`${answer.status} ${answer.code}: ${answer.error}`);
    return answer.outputs;
  }

  /** What a function of the floats `x` answers as `y`. @throws as `infer`. */
  async answer(model: string, x: Tensor): Promise<readonly number[]> {
    return [...floatsIn((await this.infer(model, { x })).get("y")!)];
  }

  async tryInfer(
    model: string,
    inputs: Tensors,
    parameters: Readonly<Record<string, number>> = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ outputs: Map<string, Tensor> } | { status: number; code: string; error: string }> {
    const request = {
      inputs: Object.entries(inputs).map(([name, { dataType, shape, data }]) => ({
        name,
        shape,
        datatype: openInferenceNames[dataType],
        parameters: { binary_data_size: data.byteLength },
      })),
      parameters: { ...parameters, binary_data_output: true },
    };
    const json = new TextEncoder().encode(JSON.stringify(request));
    const response = await fetch(`${this.url}/v2/models/${model}/infer`, {
      method: "POST",
      headers: { ...headers, "inference-header-content-length": `${json.byteLength}` },
      body: new Blob([json, ...Object.values(inputs).map(({ data }) => data as Uint8Array<ArrayBuffer>)]),
    });
    if (!response.ok) return { status: response.status, ...(await response.json()) };
    return { outputs: binaryOutputs(response.headers, await response.bytes()) };
  }

  /** Tensors travel as JSON numbers, both ways. */
  inferJson(
    model: string,
    inputs: ReadonlyArray<{ name: string; shape: readonly number[]; datatype: string; data: unknown }>,
  ): Promise<Answer<InferBody>> {
    return this.send(`/v2/models/${model}/infer`, { method: "POST", body: JSON.stringify({ inputs }) });
  }

  /** Any request; the answer's JSON, and its `error` and `code` where it is a refusal. */
  async send<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
    const response = await fetch(`${this.url}${path}`, init);
    const text = await response.text();
    const body = text === "" ? undefined : JSON.parse(text);
    const { error, code } = response.ok ? {} : (body ?? {});
    return { status: response.status, body, error, code };
  }
}

function binaryOutputs(headers: Headers, bytes: Uint8Array): Map<string, Tensor> {
  // Without tensors to send as bytes the answer is JSON alone.
  let at = Number(headers.get("inference-header-content-length") ?? bytes.byteLength);
  const { outputs } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, at))) as InferBody;
  const tensors = new Map<string, Tensor>();
  for (const { name, shape, datatype, parameters } of outputs) {
    const sizeBytes = parameters!.binary_data_size;
    tensors.set(name, { dataType: dataTypeOf(datatype), shape, data: bytes.slice(at, at + sizeBytes) });
    at += sizeBytes;
  }
  return tensors;
}

function dataTypeOf(datatype: string): DataType {
  const found = Object.entries(openInferenceNames).find(([, name]) => name === datatype);
  if (found === undefined) throw new Error(`The server answered with the datatype '${datatype}'`);
  return found[0] as DataType;
}
