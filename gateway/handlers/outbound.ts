/**
 * Requests that the gateway makes for a handler, whose process has no network: only to hosts that its manifest names,
 * and only to public addresses unless the operator allows others. Redirects come back to the handler, whose next
 * request is checked as any other. One `Outbound` an isolate: connections are not shared between functions.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { HttpClient, Platform } from "../../runtime/platform/platform.ts";
import { shownUrl } from "../../runtime/platform/shown-url.ts";
import { AllowedHosts, hostToName, withoutFinalDot } from "./allowed-hosts.ts";
import { decodeBody, watchBody } from "./decode-body.ts";
import { isPublicAddress } from "./public-address.ts";

export interface OutboundOptions {
  /** Of the manifest: see `AllowedHosts`. */
  readonly hosts: readonly string[];
  /** The operator allows addresses of private networks, loopback, link-local. */
  readonly allowPrivate: boolean;
  readonly limits?: Partial<OutboundLimits> | undefined;
  /** Certificates (PEM) that are trusted beside the usual ones. */
  readonly certificates?: readonly string[] | undefined;
}

export interface OutboundLimits {
  readonly connectTimeoutMs: number;
  /** Requests that run at once; one runs until its answer's body has ended. */
  readonly concurrent: number;
  /** Of one answer, decompressed. */
  readonly responseBytes: number;
}

const defaultLimits: OutboundLimits = {
  connectTimeoutMs: 10_000,
  concurrent: 32,
  responseBytes: 256 * 2 ** 20,
};

export class Outbound {
  readonly #platform: Pick<Platform, "openHttpClient">;
  readonly #options: OutboundOptions;
  readonly #limits: OutboundLimits;
  readonly #hosts: AllowedHosts;
  #client: Promise<HttpClient> | undefined;
  #running = 0;
  #isClosed = false;

  /** @throws DawnletError INVALID_ARGUMENT for a malformed host. */
  constructor(platform: Pick<Platform, "openHttpClient">, options: OutboundOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#hosts = new AllowedHosts(options.hosts);
  }

  /** Requests whose answers have not ended. */
  get running(): number {
    return this.#running;
  }

  /**
   * Resolves with the head of the answer; bodies stream both ways. Redirects are answers like others, whatever
   * `request.redirect` says.
   * @throws DawnletError HOST_NOT_ALLOWED; INVALID_ARGUMENT for a URL or a body that cannot be sent; QUEUE_FULL;
   *   UNAVAILABLE, DEADLINE_EXCEEDED where the server cannot be reached; PAYLOAD_TOO_LARGE; CANCELLED. The body ends with
   *   the last four, too.
   */
  async fetch(request: Request): Promise<Response> {
    const url = this.#permitted(request.url);
    const { concurrent } = this.#limits;
    if (this.#running >= concurrent)
      throw new DawnletError(
        "QUEUE_FULL",
        `Cannot fetch '${shownUrl(url)}' as ${concurrent} requests of this function are running: read or cancel the bodies of their answers`,
      );
    let isOver = false;
    const over = (): void => {
      if (!isOver) this.#running--;
      isOver = true;
    };
    this.#running++;
    try {
      const client = await this.#open();
      const { method, body, signal } = request;
      const headers = new Headers(request.headers);
      if (!headers.has("accept-encoding")) headers.set("accept-encoding", "gzip, deflate");
      return this.#answer(url, await client.fetch({ url: url.href, method, headers, body, signal }), over);
    } catch (error) {
      over();
      throw error;
    }
  }

  /** Ends what runs, and all connections. */
  close(): void {
    this.#isClosed = true;
    this.#client?.then(
      (client) => client.close(),
      () => {},
    );
  }

  /** @throws DawnletError INVALID_ARGUMENT, HOST_NOT_ALLOWED */
  #permitted(text: string): URL {
    const given = URL.parse(text);
    if (given === null || (given.protocol !== "http:" && given.protocol !== "https:"))
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot fetch '${given ? shownUrl(given) : text.slice(0, 200)}': expected a URL of http or https`,
      );
    if (given.username !== "" || given.password !== "")
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot fetch '${shownUrl(given)}' as its URL holds a name or a password: send an authorization header`,
      );
    const url = withoutFinalDot(given);
    if (this.#hosts.allows(url)) return url;
    throw new DawnletError(
      "HOST_NOT_ALLOWED",
      `Cannot fetch '${shownUrl(url)}' as its host is not among the hosts of function.json: add "${hostToName(url)}" to "hosts"`,
    );
  }

  async #open(): Promise<HttpClient> {
    const { allowPrivate, certificates } = this.#options;
    if (!this.#isClosed)
      this.#client ??= this.#platform.openHttpClient({
        connectTimeoutMs: this.#limits.connectTimeoutMs,
        certificates,
        checkAddress(address, url) {
          if (allowPrivate || isPublicAddress(address)) return;
          throw new DawnletError(
            "HOST_NOT_ALLOWED",
            `Cannot fetch '${shownUrl(url)}' as '${url.hostname}' is not a public address: the operator has to allow private networks`,
          );
        },
      });
    if (this.#client !== undefined) return this.#client;
    throw new DawnletError("UNAVAILABLE", "Cannot finish the request as its sender is stopping");
  }

  #answer(url: URL, answer: Response, over: () => void): Response {
    const { status, statusText, body } = answer;
    const headers = new Headers(answer.headers);
    if (body === null) {
      over();
      return new Response(null, { status, statusText, headers });
    }
    const limitBytes = this.#limits.responseBytes;
    const tooLarge = () =>
      new DawnletError(
        "PAYLOAD_TOO_LARGE",
        `Cannot fetch '${shownUrl(url)}' as its answer is larger than ${limitBytes} bytes`,
      );
    if (Number(headers.get("content-length")) > limitBytes) {
      body.cancel().catch(() => {});
      throw tooLarge();
    }
    const broken = (cause: unknown) =>
      new DawnletError(
        "UNAVAILABLE",
        `Cannot fetch '${shownUrl(url)}' as its answer cannot be decompressed`,
        {
          cause,
        },
      );
    const watched = watchBody(decodeBody(body, headers), { limitBytes, tooLarge, broken, over });
    return new Response(watched, { status, statusText, headers });
  }
}
