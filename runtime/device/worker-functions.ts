/**
 * DeviceApi over a MessagePort by Comlink: the functions that a worker exposes, their arguments checked on
 * arrival, and the client that calls them. For processes the same is in protocol.ts.
 * Weights are given over the port, or read from wherever the worker can read.
 */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import { parseProgram } from "../../kernels/program/parse.ts";
import type { Program } from "../../kernels/program/program.ts";
import { exposeFunctions, give, type Remote, wrapFunctions } from "../port/comlink.ts";
import type {
  DeviceApi,
  DeviceDescription,
  DeviceMemory,
  LoadOptions,
  LoadTiming,
  PlainRunRequest,
  RunOutput,
  RunRequest,
  RunResult,
  ShaderError,
} from "./api.ts";
import type { AdapterChoice } from "./open.ts";
import { adapterChoice, check, standing } from "./protocol.ts";
import type { UploadChoice } from "./upload-path.ts";
import { MemoryWeights } from "./weights.ts";

/** How a worker is to open its device. */
export interface WorkerOpenParams extends AdapterChoice {
  readonly budgetBytes: number;
  /** Where weights lie that are not given, by `blobPath`: a folder, in a browser a URL. Left out: nowhere. */
  readonly blobFolder?: string | undefined;
}

/** Weights that came over the port. */
export class GivenWeights extends MemoryWeights {
  readonly #given: ReadonlyMap<string, Uint8Array>;

  constructor(given: ReadonlyMap<string, Uint8Array>) {
    super(given);
    this.#given = given;
  }

  has(digest: string): boolean {
    return this.#given.has(digest);
  }
}

/** What a worker serves. */
export interface ServedDevice extends DeviceApi {
  destroy(): void;
}

const openParams = v.strictObject({
  ...adapterChoice,
  budgetBytes: v.number(),
  blobFolder: v.optional(v.string()),
});
const text = v.string();
const bytes = v.instance(Uint8Array);
const loadOptions = v.strictObject({ writesBeforeReads: v.boolean(), timeLimitMs: v.optional(v.number()) });
const runRequest = v.strictObject({
  program: text,
  inputs: v.array(v.union([bytes, v.strictObject({ tensor: text })])),
  keep: v.optional(v.array(v.boolean())),
  ...standing,
});

type DeviceFunctions = ReturnType<typeof deviceFunctions>;
type OpenDevice = (params: WorkerOpenParams, given: GivenWeights) => Promise<ServedDevice>;

/** Serves a device to who holds the other end of the port. @param open is called once. */
export function serveDevice(port: MessagePort, open: OpenDevice): void {
  exposeFunctions(deviceFunctions(open), port);
}

function deviceFunctions(open: OpenDevice) {
  const given = new Map<string, Uint8Array>();
  let opening: Promise<ServedDevice> | undefined;
  let device: ServedDevice | undefined;
  const opened = (): ServedDevice => {
    if (device === undefined) throw new DawnletError("UNAVAILABLE", "The device is not open yet");
    return device;
  };
  return {
    async open(params: unknown): Promise<DeviceDescription> {
      if (opening !== undefined) throw new DawnletError("INVALID_ARGUMENT", "The device is open already");
      opening = open(check(openParams, params), new GivenWeights(given));
      device = await opening;
      return device.describe();
    },
    async giveWeight(digest: unknown, blob: unknown): Promise<void> {
      const name = check(text, digest);
      const owned = check(bytes, blob);
      const actual = await crypto.subtle.digest("SHA-256", owned as Uint8Array<ArrayBuffer>);
      if (new Uint8Array(actual).toHex() !== name)
        throw new DawnletError("CORRUPT_DATA", `Cannot take weight ${name} as its bytes have another digest`);
      given.set(name, owned);
    },
    dropWeight: (digest: unknown): void => void given.delete(check(text, digest)),
    describe: () => opened().describe(),
    checkShader: (code: unknown) => opened().checkShader(check(text, code)),
    load: (id: unknown, program: unknown, options: unknown): Promise<LoadTiming> =>
      opened().load(check(text, id), parseProgram(program), check(loadOptions, options)),
    reload: (id: unknown) => opened().reload(check(text, id)),
    evict: (id: unknown) => opened().evict(check(text, id)),
    dropHost: (digests: unknown) => opened().dropHost(check(v.array(text), digests)),
    unload: (id: unknown) => opened().unload(check(text, id)),
    run: (request: unknown): Promise<RunResult<RunOutput>> => opened().run(check(runRequest, request)),
    readTensor: (id: unknown) => opened().readTensor(check(text, id)),
    releaseTensors: (ids: unknown) => opened().releaseTensors(check(v.array(text), ids)),
    measureUpload: () => opened().measureUpload(),
    memory: () => opened().memory(),
    close: (): void => opened().destroy(),
  };
}

/** The other end: a device in a worker. */
export class WorkerDevice implements DeviceApi {
  readonly #remote: Remote<DeviceFunctions>;

  /** @param port `ChildWorker.messagePort` of a worker on worker-main.ts. */
  constructor(port: MessagePort) {
    this.#remote = wrapFunctions<DeviceFunctions>(port);
  }

  /** To be called first. @throws DawnletError NO_ADAPTER */
  open(params: WorkerOpenParams): Promise<DeviceDescription> {
    return this.#remote.open(params);
  }

  /**
   * Gives a weight, its memory included, before a Program that reads it is loaded. The worker keeps it until
   * `dropWeight`. @throws DawnletError CORRUPT_DATA where the digest is not that of the bytes.
   */
  giveWeight(digest: string, blob: Uint8Array): Promise<void> {
    return this.#remote.giveWeight(digest, give(blob));
  }

  dropWeight(digest: string): Promise<void> {
    return this.#remote.dropWeight(digest);
  }

  describe(): Promise<DeviceDescription> {
    return this.#remote.describe();
  }

  checkShader(code: string): Promise<readonly ShaderError[]> {
    return this.#remote.checkShader(code);
  }

  load(id: string, program: Program, options: LoadOptions): Promise<LoadTiming> {
    return this.#remote.load(id, program, options);
  }

  reload(id: string): Promise<LoadTiming> {
    return this.#remote.reload(id);
  }

  evict(id: string): Promise<void> {
    return this.#remote.evict(id);
  }

  dropHost(digests: readonly string[]): Promise<void> {
    return this.#remote.dropHost(digests);
  }

  unload(id: string): Promise<void> {
    return this.#remote.unload(id);
  }

  run(request: PlainRunRequest): Promise<RunResult>;
  run(request: RunRequest): Promise<RunResult<RunOutput>>;
  run({ inputs, ...request }: RunRequest): Promise<RunResult<RunOutput>> {
    // Copied once here: a view would take all of the memory that it is a part of along.
    const copied = inputs.map((input) => (input instanceof Uint8Array ? new Uint8Array(input) : input));
    return this.#remote.run(give({ ...request, inputs: copied }));
  }

  readTensor(id: string): Promise<Uint8Array> {
    return this.#remote.readTensor(id);
  }

  releaseTensors(ids: readonly string[]): Promise<void> {
    return this.#remote.releaseTensors(ids);
  }

  measureUpload(): Promise<UploadChoice> {
    return this.#remote.measureUpload();
  }

  memory(): Promise<DeviceMemory> {
    return this.#remote.memory();
  }

  /** Destroys the device, which a thread should do before it ends; runs that wait fail with DEVICE_LOST. */
  close(): Promise<void> {
    return this.#remote.close();
  }
}
