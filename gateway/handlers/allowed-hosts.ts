/**
 * The hosts that a manifest names, and which URLs are among them. Only names and ports: what address a name stands for
 * is checked when it is connected to (`outbound.ts`).
 */
import { DawnletError } from "../../kernels/errors.ts";
import { parseAddress } from "./public-address.ts";

interface HostPattern {
  /** As `URL` writes it, without a dot at its end. */
  readonly host: string;
  /** Of its subdomains, and not of itself. */
  readonly isWildcard: boolean;
  readonly ports: readonly number[];
}

const usualPorts = [80, 443];

export class AllowedHosts {
  readonly #patterns: readonly HostPattern[];

  /**
   * @param hosts each a host, `*.` before it for all below it, `:port` behind it for another port than 80 and 443.
   * @throws DawnletError INVALID_ARGUMENT for any other form.
   */
  constructor(hosts: readonly string[]) {
    this.#patterns = hosts.map(parsePattern);
  }

  /** @param url whose host has no dot at its end: see `withoutFinalDot`. */
  allows(url: URL): boolean {
    const port = portOf(url);
    return this.#patterns.some(({ host, isWildcard, ports }) => {
      const isNamed = isWildcard ? url.hostname.endsWith(`.${host}`) : url.hostname === host;
      return isNamed && ports.includes(port);
    });
  }
}

/** `example.com.` is `example.com`; certificates and server names know the latter only. */
export function withoutFinalDot(url: URL): URL {
  if (!url.hostname.endsWith(".")) return url;
  const plain = new URL(url);
  plain.hostname = url.hostname.slice(0, -1);
  return plain;
}

/** What to write into `hosts` for a URL. */
export function hostToName(url: URL): string {
  return usualPorts.includes(portOf(url)) ? url.hostname : `${url.hostname}:${url.port}`;
}

function portOf({ port, protocol }: URL): number {
  if (port !== "") return Number(port);
  return protocol === "https:" ? 443 : 80;
}

function parsePattern(text: string): HostPattern {
  const parts = /^(\*\.)?(\[[\da-f:.]+\]|[^\s:[\]/?#@\\%*]+)(?::(\d{1,5}))?$/i.exec(text);
  const [, wildcard, host = "", port] = parts ?? [];
  const url = host === "" ? null : URL.parse(`http://${host}/`);
  const isWildcard = wildcard !== undefined;
  const isAddress = host.startsWith("[") || parseAddress(url?.hostname ?? "") !== undefined;
  const isPort = port === undefined || (Number(port) > 0 && Number(port) < 65_536);
  if (url === null || !isPort || (isWildcard && isAddress))
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot allow the host '${text}': expected one such as "api.example.com", "*.example.org" or "localhost:9000"`,
    );
  const { hostname } = withoutFinalDot(url);
  return { host: hostname, isWildcard, ports: port === undefined ? usualPorts : [Number(port)] };
}
