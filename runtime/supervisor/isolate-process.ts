/**
 * The process of one handler as the gateway holds it: started blank, given a handler once, asked for requests, killed. It
 * checks the form of what comes from there; what is asked for is answered by `IsolateServices`.
 */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import { channels, type StartParams } from "../isolate/protocol.ts";
import type { ChildProcess, ExitStatus, Platform, ProcessUsage } from "../platform/platform.ts";
import { FetchPeer } from "../port/fetch/fetch-peer.ts";
import type { Message, Port } from "../port/port.ts";
import { RpcClient } from "../port/rpc-client.ts";
import { type RpcHandlers, serveRpc } from "../port/rpc-server.ts";
import { splitPort } from "../port/split-port.ts";
import { strangersError } from "./isolate-errors.ts";
import { gpuHeader, note, type ParsedNote } from "./isolate-messages.ts";

const entry = new URL("../isolate/main.ts", import.meta.url);

/** What a handler may ask for. All that it passes is unknown data. */
export interface IsolateServices {
  /** Calls of the host channel by name. */
  readonly host: RpcHandlers;
  /** Requests to other functions and hosts. */
  fetch(request: Request): Promise<Response>;
  noted(note: ParsedNote): void;
  /** False where a note is to be dropped unread. @param isBackground none of the log. */
  takesNotes(isBackground: boolean): boolean;
  /** A message for a device; undefined: the handler is done with it. */
  gpu(device: number, message: Message | undefined): void;
}

export interface HandlerLink {
  /** For requests, once the handler is loaded. */
  readonly http: FetchPeer;
  /** Sends a message of a device to the handler. */
  sendGpu(device: number, message: Message): void;
  /** Bytes on their way to the process. */
  readonly queuedBytes: number;
}

export interface BlankOptions {
  readonly platform: Platform;
  /** Most bytes of the JavaScript heap. */
  readonly heapBytes: number;
  /** The process's program as one module (see `Sealing.script`). Left out: its sources. */
  readonly script?: string | undefined;
  readonly onLine?: (line: string) => void;
}

/** What a handler sends at once: inputs of a run, a model. */
const maxMessageBytes = 256 * 2 ** 20;
/** Calls of the host channel in one message; `HandlerServices` has a lower limit of its own, and says so. */
const maxCalls = 16_384;

/** A sealed process that has no handler yet. */
export class IsolateProcess {
  readonly #platform: Platform;
  readonly #child: ChildProcess;
  readonly #control: RpcClient;
  readonly #ports: Readonly<Record<(typeof channels)[number], Port>>;

  /** @throws DawnletError UNAVAILABLE where the process does not start. */
  static async spawn({ platform, heapBytes, script, onLine }: BlankOptions): Promise<IsolateProcess> {
    const child = await platform.spawnProcess(entry, {
      name: "the process of a handler",
      sealed: { readable: [], script },
      heapBytes,
      maxMessageBytes,
      ...(onLine && { onLine }),
    });
    return new IsolateProcess(platform, child);
  }

  private constructor(platform: Platform, child: ChildProcess) {
    this.#platform = platform;
    this.#child = child;
    this.#ports = splitPort(child.port, channels);
    this.#control = new RpcClient(this.#ports.control, { peer: "the handler's process" });
  }

  get exited(): Promise<ExitStatus> {
    return this.#child.exited;
  }

  /** Settles when nothing can be said to it any more, or its Port was misused. */
  get closed(): Promise<void> {
    return this.#child.port.closed;
  }

  /** From now on what the handler asks for is answered. Once, before `start`. */
  connect(services: IsolateServices): HandlerLink {
    const { http, host, gpu, notes } = this.#ports;
    const peer = new FetchPeer({
      port: http,
      serve: (request) => services.fetch(request),
      readError: (error) => strangersError(error),
    });
    serveRpc(host, services.host, { maxCalls });
    notes.receive(({ header }) => {
      // Most of a flood are not worth parsing.
      if (!services.takesNotes(isBackground(header))) return;
      const parsed = v.safeParse(note, header, { abortEarly: true });
      if (parsed.success) services.noted(parsed.output);
      else this.#misused();
    });
    gpu.receive(({ header, attachments }) => {
      const parsed = v.safeParse(gpuHeader, header);
      if (!parsed.success) return this.#misused();
      const { device, data } = parsed.output;
      services.gpu(device, data === undefined ? undefined : { header: data, attachments });
    });
    return {
      http: peer,
      sendGpu: (device, message) => gpu.send({ ...message, header: { device, data: message.header } }),
      get queuedBytes() {
        return gpu.queuedBytes ?? 0;
      },
    };
  }

  /**
   * Loads the handler.
   * @throws DawnletError INVALID_BUNDLE where it has none, FUNCTION_FAILED with the stack of what its module threw,
   *   UNAVAILABLE where the process ended meanwhile.
   */
  async start(params: StartParams, code: Uint8Array, signal?: AbortSignal): Promise<void> {
    try {
      await this.#control.call("start", params, [code], { signal });
    } catch (error) {
      if (signal?.aborted || !(error instanceof DawnletError)) throw error;
      throw strangersError(error, "INVALID_BUNDLE");
    }
  }

  /** Settles with true once the process has answered, with false where it is gone. */
  async ping(): Promise<boolean> {
    return this.#control.call("ping").then(
      () => true,
      () => false,
    );
  }

  /** Undefined once the process is gone. */
  usage(): Promise<ProcessUsage | undefined> {
    return this.#platform.processUsage(this.#child.pid);
  }

  kill(): void {
    this.#child.kill();
    this.#child.port.close();
  }

  #misused(): void {
    this.#child.port.close();
  }
}

function isBackground(header: unknown): boolean {
  return typeof header === "object" && header !== null && "type" in header && header.type === "background";
}

/** Of a process whose Port closed by itself. */
export function endedError(name: string): DawnletError {
  return new DawnletError(
    "UNAVAILABLE",
    `Cannot finish the call as the process of function '${name}' ended while it worked: call again`,
  );
}
