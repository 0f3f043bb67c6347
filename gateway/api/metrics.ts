/**
 * `/metrics` for Prometheus and `/healthz` for probes. Counters are Statistics' own, read when scraped, under
 * the names of OpenFaaS and Triton so that existing dashboards work.
 */
import type { Hono } from "hono";
import { Counter, Gauge, Registry } from "prom-client";
import type { Functions, FunctionVersion } from "../functions/functions.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { CallObserver, FinishedCall } from "../http/exchange.ts";
import { bytesReply, jsonReply } from "../http/reply.ts";
import { LabelledHistogram } from "./histogram.ts";
import type { CallCounts, Phase, Statistics } from "./statistics.ts";

export interface MetricsOptions {
  readonly functions: Functions;
  readonly statistics: Statistics;
}

/** Versions that are counted and deployed no more. */
const removedLimit = 64;

export class Metrics implements CallObserver {
  readonly registry = new Registry();
  readonly #options: MetricsOptions;
  readonly #totals = new LabelledHistogram({
    name: "gateway_functions_seconds",
    help: "Time from a request to its answer",
    labels: ["function_name", "code"],
  });
  readonly #hops = new LabelledHistogram({
    name: "dawnlet_hop_seconds",
    help: "Time of a call by hop: queue, load, encode, execute and so on",
    labels: ["function_name", "hop"],
  });
  /** Versions that may be counted before those that are deployed no more are forgotten. */
  #sizeLimit = removedLimit;

  constructor(options: MetricsOptions) {
    this.#options = options;
    addCounters(this.registry, () => this.#deployedCounts());
    addGauges(this.registry, options, () => this.#deployedCounts());
  }

  callStarted(_version: FunctionVersion): void {}

  callFinished({ version: { name }, status, totalMs, timings }: FinishedCall): void {
    this.#totals.observe(name, status, totalMs / 1000);
    // Where nobody scrapes, functions that come and go would pile up.
    if (this.#options.statistics.size > this.#sizeLimit) this.#deployedCounts();
    if (timings === undefined) return;
    for (const [hop, milliseconds] of timings) this.#hops.observe(name, hop, milliseconds / 1000);
  }

  /** All of them, in Prometheus' text format. */
  async text(): Promise<string> {
    const counters = await this.registry.metrics();
    return `${counters}\n${this.#totals.text()}\n${this.#hops.text()}`;
  }

  /** Counts of what is deployed now; what is not is forgotten. */
  #deployedCounts(): CallCounts[] {
    const { functions, statistics } = this.#options;
    const versions = functions.list().flatMap((status) => status.versions);
    statistics.retain(versions);
    const names = new Set(versions.map(({ name }) => name));
    this.#totals.retain(names);
    this.#hops.retain(names);
    this.#sizeLimit = versions.length + removedLimit;
    return versions.map((version) => statistics.of(version));
  }
}

export function addMetrics(app: Hono, endpoint: Endpoint, metrics: Metrics, functions: Functions): void {
  const { registry } = metrics;
  app.get(
    "/metrics",
    endpoint(
      async () => {
        const text = await metrics.text();
        return bytesReply(new TextEncoder().encode(text), { "content-type": registry.contentType });
      },
      { isForOperator: true },
    ),
  );
  app.get(
    "/healthz",
    endpoint(() => jsonReply({ ready: functions.ready }, functions.ready ? 200 : 503), { isOpen: true }),
  );
}

/** One counter of Triton's, by model and version. */
interface ModelCounter {
  readonly name: string;
  readonly help: string;
  readonly value: (counts: CallCounts) => number;
}

const microseconds = (phase: Phase) => (counts: CallCounts) => counts.phases[phase].ns / 1000;

const modelCounters: readonly ModelCounter[] = [
  {
    name: "nv_inference_request_success",
    help: "Calls that succeeded",
    value: ({ success }) => success.count,
  },
  { name: "nv_inference_count", help: "Inferences performed", value: ({ success }) => success.count },
  { name: "nv_inference_exec_count", help: "Executions performed", value: ({ success }) => success.count },
  {
    name: "nv_inference_request_duration_us",
    help: "Microseconds of successful and failed calls in sum",
    value: ({ success, fail }) => (success.ns + fail.ns) / 1000,
  },
  {
    name: "nv_inference_queue_duration_us",
    help: "Microseconds in queues in sum",
    value: microseconds("queue"),
  },
  {
    name: "nv_inference_compute_input_duration_us",
    help: "Microseconds of loading and encoding in sum",
    value: microseconds("compute_input"),
  },
  {
    name: "nv_inference_compute_infer_duration_us",
    help: "Microseconds of execution in sum",
    value: microseconds("compute_infer"),
  },
  {
    name: "nv_inference_compute_output_duration_us",
    help: "Microseconds of reading outputs in sum",
    value: microseconds("compute_output"),
  },
];

function addCounters(registry: Registry, deployed: () => CallCounts[]): void {
  const registers = [registry];
  for (const { name, help, value } of modelCounters) {
    new Counter({
      name,
      help,
      labelNames: ["model", "version"],
      registers,
      collect() {
        this.reset();
        for (const counts of deployed())
          this.inc({ model: counts.name, version: counts.version }, value(counts));
      },
    });
  }
  new Counter({
    name: "nv_inference_request_failure",
    help: "Calls that failed",
    labelNames: ["model", "version", "reason"],
    registers,
    collect() {
      this.reset();
      for (const { name: model, version, failures } of deployed()) {
        for (const [reason, count] of Object.entries(failures)) this.inc({ model, version, reason }, count);
      }
    },
  });
  new Counter({
    name: "gateway_function_invocation_total",
    help: "Calls that were answered",
    labelNames: ["function_name", "code"],
    registers,
    collect() {
      this.reset();
      for (const { name, byStatus } of deployed()) {
        for (const [status, count] of byStatus) this.inc({ function_name: name, code: status }, count);
      }
    },
  });
  new Counter({
    name: "gateway_function_invocation_started",
    help: "Calls that arrived",
    labelNames: ["function_name"],
    registers,
    collect() {
      this.reset();
      for (const { name, started } of deployed()) this.inc({ function_name: name }, started);
    },
  });
}

function addGauges(
  registry: Registry,
  { functions }: Pick<MetricsOptions, "functions">,
  deployed: () => CallCounts[],
): void {
  const registers = [registry];
  new Gauge({
    name: "nv_inference_pending_request_count",
    help: "Calls under way",
    labelNames: ["model", "version"],
    registers,
    collect() {
      this.reset();
      for (const { name: model, version, pending } of deployed()) this.set({ model, version }, pending);
    },
  });
  new Gauge({
    name: "gateway_service_count",
    help: "Instances of a function that can answer",
    labelNames: ["function_name"],
    registers,
    collect() {
      this.reset();
      for (const { name } of functions.list()) this.set({ function_name: name }, functions.ready ? 1 : 0);
    },
  });
}
