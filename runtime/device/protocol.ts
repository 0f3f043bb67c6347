/**
 * DeviceApi over a Port: the calls by name, their parameters checked on arrival, tensors as attachments.
 * The client is what a gateway holds; the handlers are what a device process serves.
 */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import { parseProgram } from "../../kernels/program/parse.ts";
import type { Program } from "../../kernels/program/program.ts";
import type { RpcClient } from "../port/rpc-client.ts";
import type { RpcHandlers } from "../port/rpc-server.ts";
import type {
  DeviceApi,
  DeviceDescription,
  DeviceMemory,
  LoadOptions,
  LoadTiming,
  OnLoaded,
  PlainRunRequest,
  RunInput,
  RunLoad,
  RunOutput,
  RunRequest,
  RunResult,
  RunTiming,
  ShaderError,
} from "./api.ts";
import type { AdapterChoice } from "./open.ts";
import type { UploadChoice } from "./upload-path.ts";

/** How a device process is to open its device; the first call on its Port. */
export interface OpenParams extends AdapterChoice {
  readonly budgetBytes: number;
  /** Bytes of weights that may be kept in host memory. Left out: none. */
  readonly hostBudgetBytes?: number | undefined;
  /** What `measureUpload` found on this adapter before. */
  readonly upload?: UploadChoice | undefined;
  /** For how long a part of a long run is to keep the GPU, in milliseconds; see cut-runs.ts. */
  readonly sliceMs?: number | undefined;
  /** Folder of weights by digest; see `blobPath`. */
  readonly blobFolder: string;
}

/** The schema of AdapterChoice. */
export const adapterChoice = {
  implementation: v.optional(v.picklist(["dawn", "native"])),
  backend: v.optional(v.literal("null")),
  adapter: v.optional(v.string()),
  isSoftware: v.optional(v.boolean()),
};

const openParams = v.strictObject({
  ...adapterChoice,
  budgetBytes: v.number(),
  hostBudgetBytes: v.optional(v.number()),
  upload: v.optional(
    v.strictObject({
      path: v.picklist(["direct", "ring"]),
      pieceBytes: v.pipe(v.number(), v.integer(), v.multipleOf(8), v.minValue(8)),
      bytesPerSecond: v.number(),
      isInPlace: v.boolean(),
      isPinned: v.boolean(),
    }),
  ),
  sliceMs: v.optional(v.pipe(v.number(), v.minValue(0))),
  blobFolder: v.string(),
});
const loadParams = v.strictObject({
  id: v.string(),
  writesBeforeReads: v.boolean(),
  timeLimitMs: v.optional(v.number()),
});
const text = v.string();
const texts = v.array(text);
const urgencyMs = v.pipe(v.number(), v.minValue(0));
const share = v.pipe(v.number(), v.finite(), v.gtValue(0));
/** How a run stands to others, of its schema. */
export const standing = { urgencyMs: v.optional(urgencyMs), share: v.optional(share) };
/** Of a run of bytes that does not stand to others as most do; those say no more than the Program. */
const standingParams = v.strictTuple([text, v.nullable(urgencyMs), v.nullable(share)]);
/** Of a run with tensors: null stands for the next of the attachments. */
const runParams = v.strictObject({
  program: text,
  inputs: v.array(v.nullable(text)),
  keep: v.optional(v.array(v.boolean())),
  ...standing,
});
type RunParams = v.InferOutput<typeof runParams>;
/** What a run's reply says of each output: 0 stands for the next of the attachments. */
type SentOutput = 0 | readonly [id: string, sizeBytes: number];
/** RunTiming, and the outputs of a run with tensors. */
type RunReply = [...TimingTuple, outputs?: readonly SentOutput[]];
/** What is said of a run before its end: that its weights have come in. */
type LoadReport = readonly [uploadMs: number, uploadedBytes: number];
type TimingTuple = [loadMs: number, queueMs: number, encodeMs: number, executeMs: number, gpuMs: number];

/** Weights lie in 256 folders by the first two digits of their digest. */
export function blobPath(folder: string, digest: string): string {
  return `${folder}/${digest.slice(0, 2)}/${digest}`;
}

export class DeviceClient implements DeviceApi {
  readonly #rpc: RpcClient;

  constructor(rpc: RpcClient) {
    this.#rpc = rpc;
  }

  async open(params: OpenParams): Promise<DeviceDescription> {
    return (await this.#rpc.call("open", params)).result as DeviceDescription;
  }

  async describe(): Promise<DeviceDescription> {
    return (await this.#rpc.call("describe", null)).result as DeviceDescription;
  }

  async checkShader(code: string): Promise<readonly ShaderError[]> {
    return (await this.#rpc.call("checkShader", code)).result as ShaderError[];
  }

  async load(programId: string, program: Program, options: LoadOptions): Promise<LoadTiming> {
    return this.loadEncoded(programId, new TextEncoder().encode(JSON.stringify(program)), options);
  }

  /** The same for a Program that is JSON text already, as the store keeps it: it is parsed once, over there. */
  async loadEncoded(programId: string, json: Uint8Array, options: LoadOptions): Promise<LoadTiming> {
    const { result } = await this.#rpc.call("load", { id: programId, ...options }, [json]);
    return result as LoadTiming;
  }

  async reload(programId: string): Promise<LoadTiming> {
    return (await this.#rpc.call("reload", programId)).result as LoadTiming;
  }

  async evict(programId: string): Promise<void> {
    await this.#rpc.call("evict", programId);
  }

  async dropHost(digests: readonly string[]): Promise<void> {
    await this.#rpc.call("dropHost", digests);
  }

  async unload(programId: string): Promise<void> {
    await this.#rpc.call("unload", programId);
  }

  run(request: PlainRunRequest, onLoaded?: OnLoaded): Promise<RunResult>;
  run(request: RunRequest, onLoaded?: OnLoaded): Promise<RunResult<RunOutput>>;
  async run(request: RunRequest, onLoaded?: OnLoaded): Promise<RunResult<RunOutput>> {
    const bytes = request.inputs.filter((input) => input instanceof Uint8Array);
    // Most runs are bytes in and bytes out.
    const isPlain = request.keep === undefined && bytes.length === request.inputs.length;
    const params = isPlain ? plainParams(request) : paramsOf(request);
    const { result, attachments } = await this.#rpc.call("run", params, bytes, {
      ...(onLoaded !== undefined && { onProgress: (value) => onLoaded(loadOf(value as LoadReport)) }),
    });
    const [loadMs, queueMs, encodeMs, executeMs, gpuMs, sent] = result as RunReply;
    const outputs = sent === undefined ? attachments : receivedOutputs(sent, attachments);
    return { outputs, timing: { loadMs, queueMs, encodeMs, executeMs, gpuMs } };
  }

  async readTensor(id: string): Promise<Uint8Array> {
    const [bytes] = (await this.#rpc.call("readTensor", id)).attachments;
    if (bytes === undefined) throw new DawnletError("INTERNAL", `Tensor '${id}' came without bytes`);
    return bytes;
  }

  async releaseTensors(ids: readonly string[]): Promise<void> {
    await this.#rpc.call("releaseTensors", ids);
  }

  async measureUpload(): Promise<UploadChoice> {
    return (await this.#rpc.call("measureUpload", null)).result as UploadChoice;
  }

  async memory(): Promise<DeviceMemory> {
    return (await this.#rpc.call("memory", null)).result as DeviceMemory;
  }
}

/** @param open opens the device once; later calls fail. */
export function deviceHandlers(open: (params: OpenParams) => Promise<DeviceApi>): RpcHandlers {
  let opening: Promise<DeviceApi> | undefined;
  let device: DeviceApi | undefined;
  const opened = (): DeviceApi => {
    if (device === undefined) throw new DawnletError("UNAVAILABLE", "The device is not open yet");
    return device;
  };
  return {
    open: async (params) => {
      if (opening !== undefined) throw new DawnletError("INVALID_ARGUMENT", "The device is open already");
      opening = open(check(openParams, params));
      device = await opening;
      return { result: await device.describe() };
    },
    describe: async () => ({ result: await opened().describe() }),
    checkShader: async (params) => ({ result: await opened().checkShader(check(text, params)) }),
    load: async (params, [json]) => {
      const { id: programId, ...options } = check(loadParams, params);
      const program = parseProgram(JSON.parse(new TextDecoder().decode(json)));
      return { result: await opened().load(programId, program, options) };
    },
    reload: async (params) => ({ result: await opened().reload(check(text, params)) }),
    evict: async (params) => {
      await opened().evict(check(text, params));
      return {};
    },
    dropHost: async (params) => {
      await opened().dropHost(check(texts, params));
      return {};
    },
    unload: async (params) => {
      await opened().unload(check(text, params));
      return {};
    },
    run: (params, attachments, { progress }) => {
      const onLoaded: OnLoaded = (load) => progress(loadReport(load));
      return typeof params === "string" || Array.isArray(params)
        ? opened()
            .run(plainRequest(params, attachments), onLoaded)
            .then(({ outputs, timing }) => ({ result: timingTuple(timing), attachments: outputs }))
        : opened()
            .run(requestOf(check(runParams, params), attachments), onLoaded)
            .then(({ outputs, timing }) => ({
              result: [...timingTuple(timing), outputs.map(sentOutput)],
              attachments: outputs.filter((output) => output instanceof Uint8Array),
            }));
    },
    readTensor: async (params) => ({ attachments: [await opened().readTensor(check(text, params))] }),
    releaseTensors: async (params) => {
      await opened().releaseTensors(check(texts, params));
      return {};
    },
    measureUpload: async () => ({ result: await opened().measureUpload() }),
    memory: async () => ({ result: await opened().memory() }),
  };
}

function plainParams({
  program,
  urgencyMs,
  share,
}: RunRequest): string | v.InferOutput<typeof standingParams> {
  if (urgencyMs === undefined && share === undefined) return program;
  return [program, urgencyMs ?? null, share ?? null];
}

/** @throws DawnletError INVALID_ARGUMENT. */
function plainRequest(params: string | unknown[], inputs: readonly Uint8Array[]): PlainRunRequest {
  if (typeof params === "string") return { program: params, inputs };
  const [program, urgencyMs, share] = check(standingParams, params);
  return { program, inputs, urgencyMs: urgencyMs ?? undefined, share: share ?? undefined };
}

function paramsOf({ program, inputs, keep, urgencyMs, share }: RunRequest): RunParams {
  return {
    program,
    inputs: inputs.map((input) => (input instanceof Uint8Array ? null : input.tensor)),
    ...(keep && { keep: [...keep] }),
    ...(urgencyMs !== undefined && { urgencyMs }),
    ...(share !== undefined && { share }),
  };
}

/** @throws DawnletError INVALID_ARGUMENT where there is not one attachment for each input that is bytes. */
function requestOf({ inputs, ...rest }: RunParams, attachments: readonly Uint8Array[]): RunRequest {
  const bytes = attachments.values();
  const all = inputs.map((tensor) => (tensor === null ? bytes.next().value : { tensor }));
  const isWhole = (input: RunInput | undefined): input is RunInput => input !== undefined;
  if (!all.every(isWhole) || bytes.next().done !== true)
    throw new DawnletError("INVALID_ARGUMENT", "Bad call of the device: inputs and attachments disagree");
  return { ...rest, inputs: all };
}

function sentOutput(output: RunOutput): SentOutput {
  return output instanceof Uint8Array ? 0 : [output.tensor, output.sizeBytes];
}

function receivedOutputs(sent: readonly SentOutput[], attachments: readonly Uint8Array[]): RunOutput[] {
  let at = 0;
  return sent.map((one) => (one === 0 ? attachments[at++]! : { tensor: one[0], sizeBytes: one[1] }));
}

/** Numbers instead of named ones: the reply to each run is as short as can be. */
function timingTuple({ loadMs, queueMs, encodeMs, executeMs, gpuMs }: RunTiming): TimingTuple {
  return [round(loadMs), round(queueMs), round(encodeMs), round(executeMs), round(gpuMs)];
}

function loadReport({ uploadMs, uploadedBytes }: RunLoad): LoadReport {
  return [round(uploadMs), uploadedBytes];
}

function loadOf([uploadMs, uploadedBytes]: LoadReport): RunLoad {
  return { uploadMs, uploadedBytes };
}

/** To microseconds: shorter as text. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** @throws DawnletError INVALID_ARGUMENT where what came from elsewhere is not what the schema says. */
export function check<T>(schema: v.GenericSchema<unknown, T>, params: unknown): T {
  const result = v.safeParse(schema, params);
  if (!result.success)
    throw new DawnletError("INVALID_ARGUMENT", `Bad call of the device: ${result.issues[0].message}`);
  return result.output;
}
