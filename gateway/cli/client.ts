/**
 * The commands' side of HTTP: one gateway, its token, and its errors as DawnletError.
 */
import { type Command, Option } from "commander";
import { DawnletError, fromErrorRecord } from "../../kernels/errors.ts";
import { isRecord } from "../tensors/json-text.ts";

export interface ClientOptions {
  readonly url: string;
  readonly token?: string;
}

export interface ClientRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
}

/** Adds `--url` and `--token` to a command. */
export function addClientOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--url <url>", "gateway to talk to").env("DAWNLET_URL").default("http://127.0.0.1:8080"),
    )
    .addOption(new Option("--token <token>", "token that the gateway asks for").env("DAWNLET_TOKEN"));
}

export class Client {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #token: string | undefined;

  constructor({ url, token }: ClientOptions) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url))
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot use '${url}' as the gateway: expected http://host:port`,
      );
    this.url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  /** @throws DawnletError UNAVAILABLE where nobody answers; what the gateway answers as an error. */
  async request(path: string, { method = "GET", headers = {}, body }: ClientRequest = {}): Promise<Response> {
    const authorization = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    // Streams are sent while the answer is read: fetch wants that said.
    const stream = body instanceof ReadableStream ? { duplex: "half" } : {};
    const init: RequestInit = {
      method,
      headers: { ...headers, ...authorization },
      ...(body && { body }),
      ...stream,
    };
    let response: Response;
    try {
      response = await fetch(this.url + path, init);
    } catch (cause) {
      throw unreachable(this.url, cause);
    }
    if (response.ok) return response;
    throw await answeredError(response);
  }

  async json(path: string, request?: ClientRequest): Promise<unknown> {
    const response = await this.request(path, request);
    return response.json();
  }
}

/** An error as the gateway writes it: `{"error": message, "code": code}`. Undefined where it is none. */
export function errorOf(value: unknown): DawnletError | undefined {
  if (!isRecord(value) || typeof value.error !== "string") return undefined;
  const code = typeof value.code === "string" ? value.code : "INTERNAL";
  // Unknown codes (a refused token) become INTERNAL: for a command the message is what matters.
  return fromErrorRecord({ code, message: value.error } as Parameters<typeof fromErrorRecord>[0]);
}

async function answeredError(response: Response): Promise<DawnletError> {
  const text = await response.text();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Not ours: a proxy's page, or another server altogether.
  }
  const error = errorOf(parsed);
  if (error === undefined)
    return new DawnletError(
      "UNAVAILABLE",
      `${response.url} answered ${response.status} ${response.statusText}: is this a Dawnlet gateway?`,
    );
  if (response.status !== 401) return error;
  return new DawnletError(error.code, `${error.message}. Give it with --token or DAWNLET_TOKEN`);
}

function unreachable(url: string, cause: unknown): DawnletError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const code = inner instanceof Error && "code" in inner ? String(inner.code) : "";
  const why = code || (inner instanceof Error ? inner.message : String(inner));
  return new DawnletError(
    "UNAVAILABLE",
    `Cannot reach a gateway at ${url} (${why}): start one with 'dawnlet serve', or name it with --url`,
    { cause },
  );
}
