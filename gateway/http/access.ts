/**
 * Who may call. With a token: everyone who shows it. Without: programs on this machine, which includes
 * every web page that its browsers show, so names and origins that are not loopback are refused (a page
 * could otherwise reach the server by DNS rebinding or by a form).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { refusal, withHeaders } from "./error-response.ts";
import type { Reply } from "./reply.ts";

export interface AccessOptions {
  /** Clients must send `Authorization: Bearer <token>`. */
  readonly token?: string;
  /** Host names beside loopback's under which the server is reached when there is no token. */
  readonly hosts?: readonly string[];
}

/** Answers the refusal, or undefined where the request may pass. */
export type AccessCheck = (request: Request) => Reply | undefined;

export function createAccessCheck(options: AccessOptions): AccessCheck {
  return options.token === undefined ? hostCheck(options.hosts ?? []) : tokenCheck(options.token);
}

function tokenCheck(token: string): AccessCheck {
  // Digests have equal lengths, so the comparison tells nothing about the token, not even its length.
  const expected = digest(`Bearer ${token}`);
  return (request) => {
    const given = request.headers.get("authorization");
    if (given !== null && timingSafeEqual(digest(given), expected)) return undefined;
    const message =
      given === null
        ? "Cannot answer without a token: send 'Authorization: Bearer <token>'"
        : "Cannot answer as the token is wrong";
    return withHeaders(refusal(401, "UNAUTHENTICATED", message), { "www-authenticate": "Bearer" });
  };
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

function hostCheck(extraHosts: readonly string[]): AccessCheck {
  const extra = new Set(extraHosts.map((host) => host.toLowerCase()));
  const isAllowed = (authority: string): boolean => {
    const name = hostName(authority);
    return isLoopback(name) || extra.has(name);
  };
  // Servers put the Host header into the URL. Most requests name the same one: a comparison of its beginning.
  let lastAllowed: string | undefined;
  return (request) => {
    if (lastAllowed === undefined || !request.url.startsWith(lastAllowed)) {
      const { host, origin } = new URL(request.url);
      if (!isAllowed(host)) {
        const message = `Cannot answer for host '${host}' without a token: only loopback names are allowed`;
        return refusal(403, "FORBIDDEN", message);
      }
      lastAllowed = `${origin}/`;
    }
    const origin = request.headers.get("origin");
    if (origin === null || isAllowed(originAuthority(origin))) return undefined;
    const message = `Cannot answer a page of '${origin}' without a token: only pages of loopback names are allowed`;
    return refusal(403, "FORBIDDEN", message);
  };
}

/** The host and port of an origin; empty for `null` and for what is no origin. */
function originAuthority(origin: string): string {
  const start = origin.indexOf("://");
  return start < 0 ? "" : origin.slice(start + 3);
}

function hostName(authority: string): string {
  const end = authority.startsWith("[") ? authority.indexOf("]") + 1 : authority.lastIndexOf(":");
  return (end > 0 ? authority.slice(0, end) : authority).toLowerCase();
}

function isLoopback(name: string): boolean {
  return name === "localhost" || name === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
