/**
 * The file that names the parties that share a gateway: `{"tenants": [{"name": "acme", "token": "…", "weight": 2,
 * "timeLimitMs": 30000, "storageBytes": 1e10}]}`, of which all but name and token may be left out. What is wrong with it
 * is said without a word of what it says: that may be a token.
 */
import { readFile, stat } from "node:fs/promises";
import { getLogger } from "@logtape/logtape";
import * as v from "valibot";
import { DawnletError } from "../kernels/errors.ts";
import { timeLimitSchema } from "../kernels/manifest/time-limit.ts";
import type { Tenant } from "./http/access.ts";

const log = getLogger(["dawnlet", "gateway"]);

/** Each request's token is compared with all of them. */
const maxTenants = 1000;
/** One with the largest weight still leaves something to one with the smallest. */
const [leastWeight, mostWeight] = [0.01, 100];
/** A smaller one is likely to be meant in another unit. */
const leastStorageBytes = 2 ** 20;

const text = v.string("expected a text");
const tenant = v.strictObject(
  {
    name: v.pipe(text, v.regex(/^[-a-zA-Z0-9_]{1,128}$/, "expected 1 to 128 letters, digits, '-' and '_'")),
    token: v.pipe(
      text,
      // What an `Authorization` header takes.
      v.regex(/^[!-~]{16,1024}$/, "expected 16 to 1024 visible ASCII characters"),
    ),
    weight: v.exactOptional(
      v.pipe(
        v.number("expected a number"),
        v.minValue(leastWeight, `expected ${leastWeight} at least`),
        v.maxValue(mostWeight, `expected ${mostWeight} at most`),
      ),
    ),
    timeLimitMs: v.exactOptional(timeLimitSchema),
    storageBytes: v.exactOptional(
      v.pipe(
        v.number("expected a number"),
        v.safeInteger("expected whole bytes"),
        v.minValue(leastStorageBytes, `expected ${leastStorageBytes} at least`),
      ),
    ),
  },
  "expected an object with 'name', 'token', perhaps 'weight', 'timeLimitMs' and 'storageBytes', and nothing else",
);
const tenantsFile = v.strictObject(
  {
    tenants: v.pipe(
      v.array(tenant, "expected a list"),
      v.minLength(1, "expected one at least"),
      v.maxLength(maxTenants, `expected ${maxTenants} at most`),
    ),
  },
  "expected an object with 'tenants' and nothing else",
);

export interface TenantsFileOptions {
  /** The operator's token, which no tenant may have. */
  readonly token?: string | undefined;
  /** Of the system, as `Platform.system` has it: Windows says nothing of who may read a file by its mode. */
  readonly system: string;
}

/** Warns in the log where others may read the file. @throws DawnletError INVALID_ARGUMENT */
export async function readTenants(
  path: string,
  { token, system }: TenantsFileOptions,
): Promise<readonly Tenant[]> {
  let content: string;
  try {
    content = await readFile(path, "utf8");
    const { mode } = await stat(path);
    if (system !== "win32" && (mode & 0o077) !== 0)
      log.warn("{path} has the tenants' tokens and can be read by others: chmod 600 it", { path });
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "it cannot be opened";
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the tenants of '${path}': ${why}`, { cause });
  }
  try {
    return parseTenants(content, token);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the tenants of '${path}' as ${error.message}`);
  }
}

/** @throws TypeError saying what is wrong, and nothing of what the content is. */
export function parseTenants(content: string, operatorToken?: string): readonly Tenant[] {
  const result = v.safeParse(tenantsFile, jsonOf(content));
  if (!result.success) {
    const [issue] = result.issues;
    throw new TypeError(`${placeOf(issue.path ?? [])} is wrong: ${issue.message}`);
  }
  const { tenants } = result.output;
  const names = new Map<string, number>();
  const tokens = new Map<string, string>();
  if (operatorToken !== undefined) tokens.set(operatorToken, "the operator's");
  for (const [index, { name, token }] of tenants.entries()) {
    const first = names.get(name);
    if (first !== undefined) throw new TypeError(`tenants.${first} and tenants.${index} have the same name`);
    names.set(name, index);
    const whose = tokens.get(token);
    if (whose !== undefined) throw new TypeError(`the token of tenants.${index} is ${whose} as well`);
    tokens.set(token, `that of tenants.${index}`);
  }
  return tenants;
}

const ownKeys: ReadonlySet<string> = new Set(["tenants", ...Object.keys(tenant.entries)]);

/** As far as the keys are ours: others may be tokens in the wrong place. */
function placeOf(path: ReadonlyArray<{ readonly key?: unknown }>): string {
  const keys = path.map(({ key }) => key);
  const foreign = keys.findIndex((key) => typeof key !== "number" && !ownKeys.has(String(key)));
  return (foreign < 0 ? keys : keys.slice(0, foreign)).join(".") || "the file";
}

function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    // The rest of the message quotes the content.
    const place = error instanceof Error ? /line \d+ column \d+/.exec(error.message)?.[0] : undefined;
    throw new TypeError(`it is no JSON${place === undefined ? "" : `: see ${place}`}`);
  }
}
