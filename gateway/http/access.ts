/**
 * Who may call, and as whom. With tokens: whoever shows the operator's or a tenant's. Without: programs on this machine,
 * as the operator, which includes every web page that its browsers show, so names and origins that are not loopback are
 * refused (a page could otherwise reach the server by DNS rebinding, by a form or by an image).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Caller, operator } from "../functions/caller.ts";
import { refusal, withHeaders } from "./error-response.ts";
import type { Reply } from "./reply.ts";

/** One of several parties that share the gateway. */
export interface Tenant {
  readonly name: string;
  /** Differs from everybody else's. */
  readonly token: string;
  /** Its share of the devices, beside those of others, while several want more than there is. Left out: 1. */
  readonly weight?: number;
  /** Most that `timeLimitMs` of its functions may be. Left out: `tenantTimeLimitMs`. */
  readonly timeLimitMs?: number;
  /** What its functions may hold in the store. Left out: no limit. */
  readonly storageBytes?: number;
}

export interface AccessOptions {
  /** The operator's: clients must send `Authorization: Bearer <token>`. */
  readonly token?: string;
  /** Who may call beside the operator. Where they are given, and no token is, the operator may not call. */
  readonly tenants?: readonly Tenant[];
  /** Host names beside loopback's under which the server is reached when there is no token. */
  readonly hosts?: readonly string[];
}

/** Answers who calls, or the refusal. */
export type AccessCheck = (request: Request) => Caller | Refused;

export interface Refused {
  readonly type: "refused";
  readonly reply: Reply;
}

export function createAccessCheck({ token, tenants, hosts = [] }: AccessOptions): AccessCheck {
  if (token === undefined && tenants === undefined) return hostCheck(hosts);
  const credentials = (tenants ?? []).map((tenant) =>
    credential(tenant.token, { type: "tenant", name: tenant.name }),
  );
  if (token !== undefined) credentials.unshift(credential(token, operator));
  return tokenCheck(credentials);
}

interface Credential {
  readonly caller: Caller;
  /** Of the header that shows the token. */
  readonly digest: Uint8Array;
}

function credential(token: string, caller: Caller): Credential {
  return { caller, digest: digest(`Bearer ${token}`) };
}

function tokenCheck(credentials: readonly Credential[]): AccessCheck {
  return (request) => {
    const given = request.headers.get("authorization");
    const caller = given === null ? undefined : callerOf(digest(given), credentials);
    if (caller !== undefined) return caller;
    const message =
      given === null
        ? "Cannot answer without a token: send 'Authorization: Bearer <token>'"
        : "Cannot answer as the token is wrong";
    const reply = refusal(401, "UNAUTHENTICATED", message);
    return { type: "refused", reply: withHeaders(reply, { "www-authenticate": "Bearer" }) };
  };
}

/**
 * Digests have equal lengths, so a comparison tells nothing about a token, not even its length; and all are compared,
 * so how long it takes does not tell whose it is.
 */
function callerOf(given: Uint8Array, credentials: readonly Credential[]): Caller | undefined {
  let found: Caller | undefined;
  for (const { caller, digest } of credentials) if (timingSafeEqual(given, digest)) found = caller;
  return found;
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
        return { type: "refused", reply: refusal(403, "FORBIDDEN", message) };
      }
      lastAllowed = `${origin}/`;
    }
    const origin = request.headers.get("origin");
    if (origin === null) return crossSiteRefusal(request) ?? operator;
    if (isAllowed(originAuthority(origin))) return operator;
    const message = `Cannot answer a page of '${origin}' without a token: only pages of loopback names are allowed`;
    return { type: "refused", reply: refusal(403, "FORBIDDEN", message) };
  };
}

/** What a page embeds or links to is asked for without its origin: browsers say then where from it is. */
function crossSiteRefusal(request: Request): Refused | undefined {
  if (request.headers.get("sec-fetch-site") !== "cross-site") return undefined;
  const message = `Cannot answer a page of another site without a token: open the address itself, or use fetch() on a page of a loopback name`;
  return { type: "refused", reply: refusal(403, "FORBIDDEN", message) };
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
