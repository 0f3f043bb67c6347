import { beforeEach, expect, test } from "vitest";
import { Metrics } from "../../../gateway/api/metrics.ts";
import { Statistics } from "../../../gateway/api/statistics.ts";
import { createApp } from "../../../gateway/app.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { FakeFunctions } from "../fake-functions.ts";

let functions: FakeFunctions;
let app: ReturnType<typeof createApp>;
const memory = {
  budgetBytes: 1000,
  weightBytes: 300,
  activationBytes: 0,
  constantBytes: 0,
  stagingBytes: 0,
  tensorBytes: 0,
  sessionBytes: 0,
  totalBytes: 300,
  loadedPrograms: 1,
  pipelines: 1,
  placedBytes: 1,
  residentPrograms: ["a"],
  loadingPrograms: [],
  lanes: 1,
  laneLimits: [],
  hostBytes: 0,
  hostBudgetBytes: 0,
};

beforeEach(() => {
  functions = new FakeFunctions();
  app = createApp({ functions, memory: async () => memory });
});

const call = () => app.request("/function/add", { method: "POST", body: '{"a":[1],"b":[2]}' });
const scrape = async () => (await app.request("/metrics")).text();

test("metrics count calls by function, status and hop under the names that dashboards know", async () => {
  await call();
  await call();
  functions.failure = new DawnletError("QUEUE_FULL", "Cannot take more");
  await call();
  const text = await scrape();
  for (const line of [
    'nv_inference_request_success{model="add",version="1"} 2',
    'nv_inference_request_failure{model="add",version="1",reason="REJECTED"} 1',
    'nv_inference_request_failure{model="add",version="1",reason="OTHER"} 0',
    'nv_inference_queue_duration_us{model="add",version="1"} 500',
    'nv_inference_pending_request_count{model="add",version="1"} 0',
    'gateway_function_invocation_total{function_name="add",code="200"} 2',
    'gateway_function_invocation_total{function_name="add",code="503"} 1',
    'gateway_function_invocation_started{function_name="add"} 3',
    'gateway_functions_seconds_count{function_name="add",code="200"} 2',
    'dawnlet_hop_seconds_bucket{function_name="add",hop="execute",le="0.001"} 0',
    'dawnlet_hop_seconds_bucket{function_name="add",hop="execute",le="0.0025"} 2',
    'dawnlet_hop_seconds_bucket{function_name="add",hop="execute",le="+Inf"} 2',
    'dawnlet_hop_seconds_sum{function_name="add",hop="execute"} 0.003',
    "nv_gpu_memory_used_bytes 300",
    "nv_gpu_memory_total_bytes 1000",
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});

test("the text has one HELP and one TYPE a family and ends with a line feed", async () => {
  await call();
  const response = await app.request("/metrics");
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  const types = text.split("\n").filter((line) => line.startsWith("# TYPE"));
  expect(new Set(types).size).toBe(types.length);
  expect(text.endsWith("\n")).toBe(true);
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  for (const sample of samples) expect(sample).toMatch(/^[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? \d/);
});

test("what a removed function was counted for goes with it", async () => {
  await call();
  expect(await scrape()).toContain('"add"');
  await functions.remove("add");
  expect(await scrape()).not.toContain('"add"');
});

test("functions that come and go do not pile up where nobody scrapes", async () => {
  const statistics = new Statistics();
  const metrics = new Metrics({ functions, statistics });
  const deployed = functions.get("add").current;
  const removed = 200;
  for (let i = 0; i <= removed; i++) {
    const version = i < removed ? { ...deployed, name: `short-lived-${i}` } : deployed;
    statistics.callStarted(version);
    const timings = [["execute", 1]] as const;
    const finished = { version, status: 200, errorCode: undefined, totalMs: 1, timings };
    for (const observer of [statistics, metrics]) observer.callFinished(finished);
  }
  expect(statistics.size).toBeLessThan(removed / 2);
  const text = await metrics.text();
  expect(text).toContain('nv_inference_request_success{model="add",version="1"} 1');
  expect(text).not.toContain("short-lived");
});

test("a device that does not answer leaves the other metrics", async () => {
  app = createApp({ functions, memory: () => Promise.reject(new DawnletError("DEVICE_LOST", "gone")) });
  const text = await scrape();
  // prom-client's spelling; Prometheus reads it in any case.
  expect(text).toMatch(/^nv_gpu_memory_used_bytes nan$/im);
  expect(text).toContain('gateway_service_count{function_name="add"} 1');
});

test("unknown functions make no labels", async () => {
  await app.request("/function/evil", { method: "POST", body: "{}" });
  expect(await scrape()).not.toContain("evil");
});

test("`/healthz` follows readiness", async () => {
  expect((await app.request("/healthz")).status).toBe(200);
  functions.ready = false;
  expect((await app.request("/healthz")).status).toBe(503);
});
