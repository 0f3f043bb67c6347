/**
 * Remembers what came of probes, so that a start does not pay for one.
 * Valid for one boot of the machine, one version of Dawn, and while the driver's files stay as they are.
 */
import * as v from "valibot";
import type { AdapterCandidate, AdapterHost } from "./candidates.ts";
import type { ProbeOutcome } from "./probe.ts";
import { type ProbeParams, parseDescription } from "./probe-protocol.ts";

const cacheSchema = v.object({ bootId: v.string(), outcomes: v.record(v.string(), v.unknown()) });

export class ProbeCache {
  readonly #host: AdapterHost;
  readonly #path: string;
  readonly #bootId: string;
  readonly #dawn: string;
  readonly #outcomes: Map<string, unknown>;

  private constructor(
    host: AdapterHost,
    path: string,
    bootId: string,
    dawn: string,
    outcomes: Map<string, unknown>,
  ) {
    this.#host = host;
    this.#path = path;
    this.#bootId = bootId;
    this.#dawn = dawn;
    this.#outcomes = outcomes;
  }

  /** Reads what is remembered; a file that cannot be read is as good as none. */
  static async open(host: AdapterHost): Promise<ProbeCache> {
    const { files } = host;
    const path = `${files.cacheFolder()}/adapters.json`;
    const bootId = await files.bootId();
    const dawnFolder = files.packageFolder("webgpu");
    const dawn = dawnFolder ? await fingerprint(host, [`${dawnFolder}/package.json`]) : "";
    const cached = v.safeParse(cacheSchema, parseJson(await files.read(path)));
    const isValid = cached.success && cached.output.bootId === bootId;
    return new ProbeCache(
      host,
      path,
      bootId,
      dawn,
      new Map(isValid ? Object.entries(cached.output.outcomes) : []),
    );
  }

  async key(candidate: AdapterCandidate, params: ProbeParams): Promise<string> {
    const environment = Object.entries(candidate.environment).toSorted();
    return JSON.stringify([environment, params, this.#dawn, await fingerprint(this.#host, candidate.files)]);
  }

  get(key: string): ProbeOutcome | undefined {
    const outcome = this.#outcomes.get(key);
    if (typeof outcome !== "object" || outcome === null) return undefined;
    if ("failure" in outcome && typeof outcome.failure === "string") return { failure: outcome.failure };
    const description = "description" in outcome ? parseDescription(outcome.description) : undefined;
    return description && { description };
  }

  /** A cache that cannot be written costs time at the next start, nothing else. */
  async set(key: string, outcome: ProbeOutcome): Promise<void> {
    this.#outcomes.set(key, outcome);
    const text = JSON.stringify({ bootId: this.#bootId, outcomes: Object.fromEntries(this.#outcomes) });
    await this.#host.files.write(this.#path, new TextEncoder().encode(text)).catch(() => {});
  }
}

async function fingerprint(host: AdapterHost, paths: readonly string[]): Promise<string> {
  const statuses = await Promise.all(paths.map((path) => host.files.stat(path)));
  return paths
    .map((path, index) => `${path}@${statuses[index]?.modifiedMs}:${statuses[index]?.sizeBytes}`)
    .join(" ");
}

function parseJson(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes && JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
