/**
 * A closed loop of HTTP/1.1 requests: each connection sends the same bytes again as soon as it has its
 * answer. It does as little as possible between the two, so that what is measured is the server.
 * It understands answers with a Content-Length only, and speaks to this machine only.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { LoadConnection, type LoadErrors } from "./http-load-connection.ts";
import { percentile } from "./statistics.ts";

export interface LoadPlan {
  /** A loopback address: 127.0.0.1 or ::1. */
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Beside Host and Content-Length. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly bodyBase64?: string;
  readonly connections: number;
  /** Answers that come during it are not counted. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Ends sooner once so many answers were counted. */
  readonly requests?: number;
  readonly expect: {
    readonly status: number;
    /** Left out: bodies are received, not compared. */
    readonly bodyBase64?: string;
  };
}

export interface LoadResult {
  /** Answers that were right. */
  readonly requests: number;
  readonly seconds: number;
  /** Right answers a second. */
  readonly throughput: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  /** Also those of the warm-up. */
  readonly errors: LoadErrors;
  /** What was wrong first. */
  readonly firstError?: string;
}

/**
 * Generates load from this thread.
 * @throws RangeError for an address that is not this machine's own; Error where no answer was right.
 */
export async function generateLoad(plan: LoadPlan): Promise<LoadResult> {
  if (!isLoopback(plan.host)) {
    throw new RangeError(`Cannot send load to '${plan.host}': only 127.0.0.1 and ::1 are taken`);
  }
  const recorder = new Recorder();
  const errors = { status: 0, body: 0, connection: 0 };
  let firstError: string | undefined;
  let isMeasuring = false;
  const { promise: enough, resolve: stop } = Promise.withResolvers<void>();
  const wanted = plan.requests ?? Number.POSITIVE_INFINITY;
  const connections = Array.from({ length: plan.connections }, () => {
    return new LoadConnection({
      host: plan.host,
      port: plan.port,
      request: buildRequest(plan),
      expectedStatus: plan.expect.status,
      expectedBody:
        plan.expect.bodyBase64 === undefined ? undefined : Buffer.from(plan.expect.bodyBase64, "base64"),
      onAnswer: (latencyMs) => {
        if (!isMeasuring) return;
        recorder.add(latencyMs);
        if (recorder.count >= wanted) stop();
      },
      onError: (kind, message) => {
        errors[kind] += 1;
        firstError ??= message;
      },
    });
  });

  for (const connection of connections) connection.start();
  await delay(plan.warmUpMs);
  isMeasuring = true;
  const start = performance.now();
  await Promise.race([enough, delay(plan.durationMs)]);
  const seconds = (performance.now() - start) / 1000;
  for (const connection of connections) connection.stop();

  const latencies = recorder.values();
  if (latencies.length === 0) throw new Error(`No right answer came: ${firstError ?? "none at all"}`);
  const [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1].map((p) => percentile(latencies, p)) as [
    number,
    number,
    number,
    number,
  ];
  return {
    requests: latencies.length,
    seconds,
    throughput: latencies.length / seconds,
    latencyMs: { p50, p90, p99, max },
    errors,
    ...(firstError === undefined ? {} : { firstError }),
  };
}

/** Generates load from a process of its own, so that it takes no time of this thread. */
export async function generateLoadOutside(plan: LoadPlan): Promise<LoadResult> {
  const main = fileURLToPath(new URL("http-load-main.ts", import.meta.url));
  const runtimeArguments = process.versions.deno === undefined ? [] : ["run", "-A"];
  const child = spawn(process.execPath, [...runtimeArguments, main], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(JSON.stringify(plan));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  const [output, complaints, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new Error(`The load generator failed: ${complaints.trim()}`);
  return JSON.parse(output) as LoadResult;
}

function buildRequest(plan: LoadPlan): Buffer {
  const body = Buffer.from(plan.bodyBase64 ?? "", "base64");
  const host = plan.host.includes(":") ? `[${plan.host}]` : plan.host;
  const headers = {
    Host: `${host}:${plan.port}`,
    ...plan.headers,
    "Content-Length": String(body.byteLength),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${plan.method} ${plan.path} HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
}

/** A name would have to be looked up, and could be anybody's. */
function isLoopback(host: string): boolean {
  return host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Latencies without a garbage-collected object each. */
class Recorder {
  #values = new Float64Array(1 << 16);
  count = 0;

  add(value: number): void {
    if (this.count === this.#values.length) {
      const longer = new Float64Array(this.#values.length * 2);
      longer.set(this.#values);
      this.#values = longer;
    }
    this.#values[this.count] = value;
    this.count += 1;
  }

  values(): Float64Array {
    return this.#values.slice(0, this.count);
  }
}
