/**
 * One handler and its world, in a process that may reach nothing else: requests come in, and what it asks for (functions,
 * GPUs, other hosts) goes out, all over one Port.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { FetchPeer } from "../port/fetch/fetch-peer.ts";
import type { ServeContext } from "../port/fetch/served-request.ts";
import type { Port } from "../port/port.ts";
import { RpcClient } from "../port/rpc-client.ts";
import { installGpu } from "../remote-gpu/client/globals.ts";
import { Background, handlerContext } from "./context.ts";
import { outwardFetch } from "./fetch.ts";
import { usableFunction } from "./functions.ts";
import { remoteGpu } from "./gpu.ts";
import { type HandlerFetch, loadHandler } from "./handler.ts";
import { HeldTensors } from "./held-tensors.ts";
import { type Log, logConsole, noteLog, show } from "./log.ts";
import { onnxRuntime, onnxRuntimeSymbol } from "./onnx-runtime.ts";
import { type channels, maxLogCharacters, type Note, type StartParams, useHeader } from "./protocol.ts";
import { HandlerRequest } from "./request.ts";
import { define, hideHost } from "./scope.ts";

/** What libraries that the bundler adapted ask for (gateway/handlers/bundle-handler.ts). */
export const hostSymbol = Symbol.for("dawnlet.host");

export type Channels = Readonly<Record<Exclude<(typeof channels)[number], "control">, Port>>;

export class Isolate {
  readonly #host: RpcClient;
  readonly #http: FetchPeer;
  readonly #log: Log;
  readonly #background: Background;
  readonly #held: HeldTensors;
  readonly #channels: Channels;
  #handler: HandlerFetch | undefined;
  #env: object = {};
  #function: StartParams["function"] = { name: "", version: 0 };

  constructor(ports: Channels) {
    // Made once, while nobody waits: the host loads what is behind them when they are first used.
    void new Response(new HandlerRequest("http://localhost/").body);
    this.#channels = ports;
    this.#host = new RpcClient(ports.host, { peer: "the gateway" });
    this.#http = new FetchPeer({
      port: ports.http,
      serve: (request, context) => this.#serve(request, context),
      makeRequest: HandlerRequest.received,
    });
    this.#log = noteLog(ports.notes);
    this.#held = new HeldTensors(this.#host);
    this.#background = new Background(this.#log, (pending) => {
      const note: Note = { type: "background", pending };
      ports.notes.send({ header: note, attachments: [] });
    });
  }

  /** Loads the handler, into a scope that it has for itself. Once. */
  async start(params: StartParams, code: Uint8Array): Promise<void> {
    this.#function = params.function;
    this.#env = this.#environment(params);
    this.#fillScope(globalThis);
    this.#handler = await loadHandler(code, params.entry).catch((error: unknown) => {
      if (error instanceof DawnletError) throw error;
      // With its stack: the gateway knows which of the bundle's lines these are.
      throw new DawnletError("FUNCTION_FAILED", show(error));
    });
  }

  /** Of work that belongs to no request any more: the others go on. */
  uncaught(error: unknown): void {
    this.#log("error", `Uncaught: ${show(error)}`);
  }

  async #serve(request: Request, { deadlineMs }: ServeContext): Promise<Response> {
    const handler = this.#handler;
    if (handler === undefined) throw new DawnletError("UNAVAILABLE", "The handler is not loaded yet");
    const context = handlerContext(request, deadlineMs, {
      function: this.#function,
      host: this.#host,
      log: this.#log,
      background: this.#background,
    });
    try {
      return await handler(request, this.#env, context);
    } catch (error) {
      const stack = show(error);
      this.#log("error", stack);
      if (error instanceof DawnletError) throw error;
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new DawnletError("FUNCTION_FAILED", message, {
        details: { stack: stack.slice(0, maxLogCharacters) },
      });
    }
  }

  #environment({ uses, variables }: StartParams): object {
    const services = {
      host: this.#host,
      held: this.#held,
      send: (use: string, request: Request) => {
        const addressed = new Request(request);
        addressed.headers.set(useHeader, use);
        return this.#http.fetch(addressed);
      },
    };
    const env: Record<string, unknown> = Object.create(null);
    for (const [name, value] of Object.entries(variables)) env[name] = value;
    for (const [name, use] of Object.entries(uses)) env[name] = usableFunction(name, use, services);
    return Object.freeze(env);
  }

  #fillScope(scope: typeof globalThis): void {
    const { fetch } = scope;
    const send = (request: Request): Promise<Response> => {
      if (!request.headers.has(useHeader)) return this.#http.fetch(request);
      return Promise.reject(new TypeError(`The header '${useHeader}' is not for requests to the world`));
    };
    hideHost(scope);
    define(scope, "fetch", outwardFetch(send, fetch));
    define(scope, "Request", HandlerRequest);
    define(scope, "console", logConsole(this.#log));
    define(scope, hostSymbol, Object.freeze({ asset: (name: string) => this.#asset(name) }));
    define(scope, onnxRuntimeSymbol, onnxRuntime({ host: this.#host, held: this.#held }));
    installGpu(scope, remoteGpu(this.#channels.gpu, this.#host));
  }

  async #asset(name: string): Promise<Uint8Array> {
    const { attachments } = await this.#host.call("asset", name);
    return new Uint8Array(attachments[0]!);
  }
}
