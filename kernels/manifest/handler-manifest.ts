/**
 * `function.json` of a handler, JavaScript that answers requests: from unknown JSON to typed data. It checks the
 * form only: whether the entry is in the bundle, the functions exist and the server allows the limits is checked
 * where they are used.
 */
import * as v from "valibot";
import { DawnletError } from "../errors.ts";
import { parseByteSize } from "./byte-size.ts";
import { manifestFileName } from "./manifest.ts";
import { describeIssue, object } from "./manifest-schema.ts";

/** A function that a handler may call. */
export interface FunctionReference {
  readonly name: string;
  /** A version number, or a SHA-256 in lower-case hex of which at least eight digits are there. Left out: the current one. */
  readonly version?: string;
}

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** What is left out is as the server has it. Whole numbers above zero but for `gpuShare`. */
export interface StatedHandlerLimits {
  readonly timeoutMs?: number;
  readonly cpuMs?: number;
  readonly memoryBytes?: number;
  readonly concurrency?: number;
  readonly instances?: number;
  readonly idleMs?: number;
  readonly requestBytes?: number;
  readonly responseBytes?: number;
  readonly gpuBytes?: number;
  /** Above 0, at most 1. */
  readonly gpuShare?: number;
}

export interface HandlerManifest {
  readonly description?: string;
  /** Path in the bundle of the file with the default export. */
  readonly entry?: string;
  /** By the name in `env`; names of `uses`, `variables` and `secrets` are all different. */
  readonly uses: ReadonlyMap<string, FunctionReference>;
  /** `name`, `*.name`, each with or without `:port`, in lower case. */
  readonly hosts: readonly string[];
  readonly variables: ReadonlyMap<string, JsonValue>;
  readonly secrets: readonly string[];
  readonly limits: StatedHandlerLimits;
}

/** Of a bundle without `function.json`. */
export const emptyHandlerManifest: HandlerManifest = {
  uses: new Map(),
  hosts: [],
  variables: new Map(),
  secrets: [],
  limits: {},
};

/** @throws DawnletError INVALID_BUNDLE naming the path in the JSON. */
export function parseHandlerManifest(json: unknown): HandlerManifest {
  const result = v.safeParse(schema, json, { abortPipeEarly: true });
  if (result.success) return result.output;
  throw new DawnletError(
    "INVALID_BUNDLE",
    `Cannot read ${manifestFileName} as ${describeIssue(result.issues[0])}`,
  );
}

const mostNames = 100;
const mostVariableBytes = 64 * 1024;
const deepestVariable = 32;

/** They are properties of `env`. */
const name = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z_$][A-Za-z0-9_$]{0,63}$/, "a name has letters, digits, '_' and '$', at most 64"),
  v.check(
    (text) => !["__proto__", "prototype", "constructor"].includes(text),
    "the names __proto__, prototype, constructor are not taken",
  ),
);

function namedMap<Schema extends v.GenericSchema>(schema: Schema) {
  return v.pipe(
    object,
    v.record(name, schema),
    v.check((record) => Object.keys(record).length <= mostNames, `it has more than ${mostNames} names`),
    v.transform((record) => new Map(Object.entries(record) as [string, v.InferOutput<Schema>][])),
  );
}

const reference = v.pipe(
  v.string(),
  v.regex(
    /^[-a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127}(@([1-9][0-9]{0,9}|sha256:[0-9a-f]{8,64}))?$/,
    "expected a function's name, with '@3' behind it for a version or '@sha256:…' for a digest",
  ),
  v.transform((text): FunctionReference => {
    const [functionName, version] = text.split("@") as [string, string | undefined];
    if (version === undefined) return { name: functionName };
    return { name: functionName, version: version.replace(/^sha256:/, "") };
  }),
);

const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const hostPattern = new RegExp(
  `^(?:(?:\\*\\.)?${label}(?:\\.${label}){0,30}|\\[[0-9a-f:.]{2,45}\\])(?::([1-9][0-9]{0,4}))?$`,
);

const host = v.pipe(
  v.string(),
  v.toLowerCase(),
  v.check((text) => {
    const match = text.length <= 260 ? hostPattern.exec(text) : null;
    return match !== null && Number(match[1] ?? 1) <= 65_535;
  }, "expected a host such as 'api.example.com', '*.example.org' or 'localhost:9000'"),
);

/** `*.com` would let nearly everything through; one label is for names such as `localhost`. */
const boundedHost = v.pipe(
  host,
  v.check(
    (text) => !/^\*\.[^.]+$/.test(text.replace(/:\d+$/, "")),
    "expected at least two names behind '*.'",
  ),
);

const variable = v.custom<JsonValue>(
  (value) => isSmallJson(value),
  `expected a string, a number, a boolean or JSON, at most ${mostVariableBytes} bytes and ${deepestVariable} levels deep`,
);

function isSmallJson(value: unknown): boolean {
  if (!isJson(value, 0)) return false;
  return new TextEncoder().encode(JSON.stringify(value)).byteLength <= mostVariableBytes;
}

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || depth >= deepestVariable) return false;
  return Object.values(value).every((inner) => isJson(inner, depth + 1));
}

const count = v.pipe(
  v.number(),
  v.safeInteger("expected a whole number"),
  v.minValue(1, "expected 1 or more"),
);

const size = v.pipe(
  v.union([v.number(), v.string()]),
  v.transform((value) => (typeof value === "string" ? parseByteSize(value) : value)),
  v.check(
    (bytes) => bytes !== undefined && Number.isSafeInteger(bytes) && bytes > 0,
    "expected a number of bytes, or a size such as '64MiB'",
  ),
  v.transform((bytes) => bytes!),
);

/** Of `limits`: what a manifest asks for, and what a server allows. */
export const handlerLimitsSchema = v.strictObject({
  timeoutMs: v.exactOptional(count),
  cpuMs: v.exactOptional(count),
  memoryBytes: v.exactOptional(size),
  concurrency: v.exactOptional(count),
  instances: v.exactOptional(count),
  idleMs: v.exactOptional(count),
  requestBytes: v.exactOptional(size),
  responseBytes: v.exactOptional(size),
  gpuBytes: v.exactOptional(size),
  gpuShare: v.exactOptional(
    v.pipe(
      v.number(),
      v.check((share) => share > 0 && share <= 1, "expected more than 0 and at most 1"),
    ),
  ),
});

const entry = v.pipe(
  v.string(),
  v.check(
    (path) => path.length <= 1024 && !path.split("/").some((part) => ["", ".", ".."].includes(part)),
    "expected a path in the bundle, such as 'src/handler.ts'",
  ),
);

const schema = v.pipe(
  v.strictObject({
    kind: v.literal("handler"),
    description: v.exactOptional(v.string()),
    entry: v.exactOptional(entry),
    uses: v.optional(namedMap(reference), {}),
    hosts: v.optional(
      v.pipe(v.array(boundedHost), v.maxLength(mostNames, `it has more than ${mostNames} hosts`)),
      [],
    ),
    variables: v.optional(namedMap(variable), {}),
    secrets: v.optional(
      v.pipe(v.array(name), v.maxLength(mostNames, `it has more than ${mostNames} names`)),
      [],
    ),
    limits: v.optional(handlerLimitsSchema, {}),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { uses, variables, secrets } = dataset.value;
    const seen = new Set<string>();
    for (const one of [...uses.keys(), ...variables.keys(), ...secrets]) {
      if (seen.has(one))
        addIssue({
          message: `the name '${one}' is there twice in uses, variables and secrets: all are in env`,
        });
      seen.add(one);
    }
  }),
  v.transform(({ kind: _, ...rest }): HandlerManifest => rest),
);
