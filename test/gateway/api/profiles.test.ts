import { beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import {
  defaultProfile,
  type ProfileOf,
  type ProfileProgress,
  type ProfileRequest,
} from "../../../gateway/functions/profile/profiles.ts";
import { heatMap } from "../../../gateway/scheduler/profile/heat-map.ts";
import { toMeasuredRecord } from "../../../gateway/scheduler/profile/measured-profile.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { FakeFunctions, floats } from "../fake-functions.ts";
import { measured } from "../scheduler/profile/measured.ts";

/** Measures nothing: answers what it was made with, and notes what it was asked. */
class FakeProfiles {
  readonly asked: ProfileRequest[] = [];
  readonly shown: ProfileOf[] = [];
  failure: unknown;
  /** Measuring goes on until the signal says otherwise. */
  lasts = false;
  wasStopped = false;

  async stored(of: ProfileOf) {
    this.shown.push(of);
    if (of.device === "gpu9") throw new DawnletError("NOT_FOUND", "There is no profile");
    return measured(of.name);
  }

  async measure(
    request: ProfileRequest,
    signal: AbortSignal,
    onProgress: (progress: ProfileProgress) => void,
  ) {
    this.asked.push(request);
    onProgress({ phase: "measure", message: "one of two" });
    if (this.lasts) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      this.wasStopped = true;
    }
    if (this.failure !== undefined) throw this.failure;
    return measured(request.name);
  }
}

let profiles: FakeProfiles;
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  profiles = new FakeProfiles();
  app = createApp({ functions: new FakeFunctions(), profiles });
});

const path = "/v1/functions/add/profile";
const post = (body: string, headers: Record<string, string> = {}) =>
  app.request(path, { method: "POST", body, headers });
const told = { accept: "application/x-ndjson" };
const record = toMeasuredRecord(measured("add"));

describe("POST /v1/functions/{name}/profile", () => {
  test("measures the current version as usual, and answers the profile", async () => {
    const response = await post("");
    expect([response.status, await response.json()]).toEqual([200, record]);
    const usual = {
      ...defaultProfile,
      name: "add",
      version: "1",
      inputs: {},
      parameters: {},
      dimensions: {},
    };
    expect(profiles.asked).toEqual([usual]);
  });

  test("takes what the body states", async () => {
    const stated = { seconds: 5, device: "gpu1", quotas: [0.5, 1], lanes: 4, batches: [1, 8] };
    const dimensions = { n: 2 };
    await post(JSON.stringify({ ...stated, dimensions, inputs: { a: [1, 2] } }));
    expect(profiles.asked[0]).toMatchObject({ ...stated, dimensions, inputs: { a: floats([2], [1, 2]) } });
  });

  test("tells its progress where that is asked for", async () => {
    const lines = (await (await post("{}", told)).text()).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { phase: "measure", message: "one of two" },
      { result: record },
    ]);
    profiles.failure = new DawnletError("UNAVAILABLE", "Cannot profile now");
    const failed = (await (await post("{}", told)).text()).trim().split("\n").at(-1)!;
    expect(JSON.parse(failed)).toEqual({ error: "Cannot profile now", code: "UNAVAILABLE" });
    expect((await post("{}")).status).toBe(503);
  });

  test("stops measuring when its reader goes", async () => {
    profiles.lasts = true;
    const response = await post("{}", told);
    const reader = response.body!.getReader();
    await reader.read();
    expect(profiles.wasStopped).toBe(false);
    await reader.cancel();
    await expect.poll(() => profiles.wasStopped).toBe(true);
  });

  test.each([
    ["{", "not JSON"],
    ['{"seconds": 0}', "seconds is wrong"],
    ['{"seconds": 601}', "seconds is wrong"],
    ['{"quotas": [0.5, 1.5]}', "quotas.1 is wrong"],
    ['{"lanes": 65}', "lanes is wrong"],
    ['{"batches": [0]}', "batches.0 is wrong"],
    ['{"dimensions": {"n": -1}}', "dimensions.n is wrong"],
    ['{"second": 5}', "second"],
    ['{"inputs": {"c": [1]}}', "there is no input 'c': it has a, b"],
    ['{"inputs": {"a": "text"}}', "'a'"],
    ['{"parameters": {"p": 1}}', "there is no parameter 'p'"],
  ])("refuses %s", async (body, message) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect((await response.json()).error).toContain(message);
    expect(profiles.asked).toEqual([]);
  });

  test("is refused for what is not deployed", async () => {
    const response = await app.request("/v1/functions/nothing/profile", { method: "POST" });
    expect(response.status).toBe(404);
    expect((await app.request(`${path}?version=9`, { method: "POST" })).status).toBe(404);
  });
});

describe("GET /v1/functions/{name}/profile", () => {
  test("answers what was measured last, of a version and device", async () => {
    const response = await app.request(`${path}?version=1&device=gpu0`);
    expect([response.status, await response.json()]).toEqual([200, record]);
    expect(profiles.shown).toEqual([{ name: "add", version: "1", device: "gpu0" }]);
  });

  test("answers 404 where there is none", async () => {
    for (const one of [path, `${path}.svg`])
      expect((await app.request(`${one}?device=gpu9`)).status).toBe(404);
    expect((await app.request("/v1/functions/nothing/profile")).status).toBe(404);
    expect(profiles.shown).toHaveLength(2);
  });
});

describe("GET /v1/functions/{name}/profile.svg", () => {
  test("draws the figure that is asked for, as a document that runs nothing", async () => {
    const response = await app.request(`${path}.svg?figure=p98Ms`);
    expect(await response.text()).toBe(heatMap(measured("add"), "p98Ms"));
    expect(response.headers.get("content-type")).toBe("image/svg+xml");
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await (await app.request(`${path}.svg`)).text()).toBe(heatMap(measured("add")));
  });

  test("refuses a figure that there is not", async () => {
    const response = await app.request(`${path}.svg?figure=speed`);
    expect(response.status).toBe(400);
    expect((await response.json()).error).toContain("expected throughput, p50Ms, p98Ms, efficiency");
  });
});
