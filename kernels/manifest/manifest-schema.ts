/** Parts of the schemas of `function.json`, of every kind: objects by name, and how an issue is put into words. */
import * as v from "valibot";

/** What is wrong, by its path in the JSON: `inputs.x.type is "float64": expected …`. */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  let path = "";
  for (const { key } of issue.path ?? []) {
    const isName = typeof key === "string" && /^[A-Za-z_$][\w$]*$/.test(key);
    path += typeof key === "number" ? `[${key}]` : isName ? `${path && "."}${key}` : `["${String(key)}"]`;
  }
  const where = path || "it";
  if (issue.kind !== "schema") return `${where} is wrong: ${issue.message}`;
  if (issue.expected === "never") return `${where} is not a key that is known there`;
  if (issue.received === "undefined") return `${where} is missing`;
  return `${where} is ${issue.received}: expected ${issue.expected}`;
}

const name = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, "a name has letters, digits and '_', at most 64"),
);

/** `v.record` would drop such keys without a word. */
const unusableNames = ["__proto__", "prototype", "constructor"];

/** An object whose keys a record may have. */
export const object = v.pipe(
  v.unknown(),
  v.check(
    (value) => {
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
      return !isObject || !unusableNames.some((key) => Object.hasOwn(value, key));
    },
    `the names ${unusableNames.join(", ")} are not taken`,
  ),
);

/** A record by names as a Map. */
export function mapOf<Schema extends v.GenericSchema>(schema: Schema) {
  return v.pipe(
    object,
    v.record(name, schema),
    v.transform((record) => new Map(Object.entries(record) as [string, v.InferOutput<Schema>][])),
  );
}
