/** Profiles of real functions on the adapter of this machine: measured, kept, shown, and gone with their function. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { knownTimes, occupancyOf } from "../../gateway/scheduler/profile/known-times.ts";
import {
  type MeasuredProfile,
  parseMeasuredProfile,
} from "../../gateway/scheduler/profile/measured-profile.ts";
import { buildBert } from "../../models/zoo/bert.ts";
import { onlyUnderNode } from "../left-out.ts";
import { gatewayFor } from "./running-gateway.ts";
import { denseModel, rowBundle, scaleRows } from "./small-batches.ts";
import { timesShader } from "./small-functions.ts";
import { floats } from "./tensors.ts";

const server = gatewayFor("all tests");
const brief = { seconds: 2, quotas: [0.5, 1], lanes: 2, batches: [1, 2] };
/** Time for all that is asked, also where much else goes on. */
const whole = { ...brief, seconds: 60, lanes: 1 };

const pathOf = (name: string) => `/v1/functions/${name}/profile`;
const post = (name: string, body: unknown = brief) =>
  server.client.send<unknown>(pathOf(name), { method: "POST", body: JSON.stringify(body) });

async function profiled(name: string, body?: unknown): Promise<MeasuredProfile> {
  const { error, body: profile } = await post(name, body);
  if (error !== undefined) throw new Error(error);
  return parseMeasuredProfile(profile);
}

const valuesOf = (profile: MeasuredProfile, of: "quota" | "lanes" | "batch") => [
  ...new Set(profile.points.map((point) => point[of])),
];

test("a bundle is profiled by time, space and batch, and its profile outlives the gateway", async () => {
  await server.client.mustDeploy("rows", rowBundle(scaleRows, { dimension: "rows", max: 2 }));
  expect((await server.client.send(pathOf("rows"))).status).toBe(404);
  const profile = await profiled("rows", { ...whole, batches: [1, 2, 4], dimensions: { columns: 6 } });
  expect(profile).toMatchObject({ function: "rows", version: 1, rows: 1, notes: ["no run takes 4 calls"] });
  expect(valuesOf(profile, "quota")).toEqual([0.5, 1]);
  expect(valuesOf(profile, "batch")).toEqual([1, 2]);
  expect(valuesOf(profile, "lanes")).toEqual([1]);
  for (const { throughput, p50Ms, p98Ms } of profile.points) {
    expect(throughput).toBeGreaterThan(0);
    expect(p98Ms).toBeGreaterThanOrEqual(p50Ms);
  }
  expect(knownTimes(profile).map(({ batch }) => batch)).toEqual([1, 2]);
  expect(occupancyOf(profile)).toBeLessThanOrEqual(1);

  await server.restart();
  const stored = await server.client.send<unknown>(pathOf("rows"));
  expect(parseMeasuredProfile(stored.body)).toEqual(profile);
  const [version] = server.gateway.functions.devices();
  expect([...version!.owner.configurations!.keys()]).toEqual([profile.class]);
  // The scheduler knows how long two rows take, of which nobody has run any in this life.
  const columns = floats([6], [1, 2, 3, 4, 5, 6]);
  await server.client.infer("rows", { x: floats([1, 6], [1, 2, 3, 4, 5, 6]), w: columns });
  const [fn] = server.gateway.backends.dispatcher.cluster.functions.values();
  const [times] = fn!.allTimes.values();
  expect(times!.isMeasured(2)).toBe(true);
  const picture = await fetch(`${server.client.url}${pathOf("rows")}.svg?figure=p50Ms`);
  expect(await picture.text()).toMatch(/^<svg .*Median latency/s);
});

const isZooLeftOut = onlyUnderNode(
  "the profile of a model of the zoo",
  "its batches are compiled there, and a bundle's are profiled under both",
);

test.skipIf(isZooLeftOut)(
  "a model of the zoo is profiled with the batches that are compiled for it",
  {
    timeout: 180_000,
  },
  async () => {
    const small = { layers: 1, hidden: 16, heads: 2, vocabulary: 50, positions: 8 };
    await server.client.mustDeploy("bert", buildBert(small));
    const profile = await profiled("bert", { ...whole, dimensions: { sequence: 4 } });
    expect(valuesOf(profile, "batch")).toEqual([1, 2]);
    expect(profile.points.every(({ throughput }) => throughput > 0)).toBe(true);
    const { batching } = (await server.client.status("bert")).current;
    expect(batching).toMatchObject({ type: "proven", sizes: [2] });
  },
);

test("others are answered meanwhile, and the profile says that they were there", async () => {
  await server.client.mustDeploy("times", timesShader(2));
  await server.client.mustDeploy("other", timesShader(3));
  let isOver = false;
  const measuring = profiled("times").finally(() => {
    isOver = true;
  });
  let answered = 0;
  while (!isOver) {
    expect(await server.client.answer("other", floats([2], [1, 2]))).toEqual([3, 6]);
    answered++;
  }
  const profile = await measuring;
  expect(answered).toBeGreaterThan(0);
  expect(Math.max(...profile.points.map(({ othersBusy }) => othersBusy))).toBeGreaterThan(0);
});

describe("a profile", () => {
  test("is of given inputs, and refuses those that the function does not take", async () => {
    await server.client.mustDeploy("times", timesShader(2));
    expect(
      (await profiled("times", { ...brief, seconds: 0.5, inputs: { x: [1, 2, 3] } })).points,
    ).not.toEqual([]);
    const wrong = await post("times", { ...brief, inputs: { x: [[1, 2]] } });
    expect(wrong).toMatchObject({ status: 400, code: "INVALID_ARGUMENT" });
    expect(await post("times", { ...brief, device: "gpu9" })).toMatchObject({
      status: 404,
      code: "NOT_FOUND",
    });
  });

  test("is measured one at a time, and ends with its function", async () => {
    await server.client.mustDeploy("doomed", timesShader(5));
    await server.client.mustDeploy("times", timesShader(2));
    const measuring = await fetch(server.client.url + pathOf("doomed"), {
      method: "POST",
      headers: { accept: "application/x-ndjson" },
      body: JSON.stringify({ ...brief, seconds: 600, lanes: 64 }),
    });
    const lines = measuring.body!.pipeThrough(new TextDecoderStream()).getReader();
    // It has begun.
    expect((await lines.read()).value).toContain("prepare");
    expect(await post("times")).toMatchObject({ status: 503, code: "UNAVAILABLE" });
    await server.client.remove("doomed");
    let last = "";
    for (let piece = await lines.read(); !piece.done; piece = await lines.read()) last = piece.value;
    expect(last).toContain('"code":"NOT_FOUND"');
    expect((await post("times", { ...brief, seconds: 0.5 })).status).toBe(200);
  });

  test("goes with its function, and a damaged one is as none", async () => {
    await server.client.mustDeploy("short", timesShader(7));
    await profiled("short", { ...brief, seconds: 0.5 });
    const folder = join(server.folder, "profiles", "short");
    const [file] = await readdir(folder);
    expect((await server.client.send(pathOf("short"))).status).toBe(200);
    await writeFile(join(folder, file!), "{}");
    expect((await server.client.send(pathOf("short"))).status).toBe(404);
    await profiled("short", { ...brief, seconds: 0.5 });
    expect((await server.client.send(pathOf("short"))).status).toBe(200);
    await server.client.remove("short");
    await server.client.mustDeploy("short", timesShader(7));
    expect((await server.client.send(pathOf("short"))).status).toBe(404);
    expect(await readdir(join(server.folder, "profiles"))).not.toContain("short");
  });

  test("is of one version, and goes with it when newer ones take its place", async () => {
    const ask = async (version?: number) =>
      (await server.client.send(pathOf("versions") + (version ? `?version=${version}` : ""))).status;
    await server.client.mustDeploy("versions", timesShader(1));
    await profiled("versions", { ...brief, seconds: 0.5 });
    await server.client.mustDeploy("versions", timesShader(2));
    expect([await ask(1), await ask()]).toEqual([200, 404]);
    await profiled("versions", { ...brief, seconds: 0.5 });
    for (const factor of [3, 4]) await server.client.mustDeploy("versions", timesShader(factor));
    expect([await ask(2), await ask()]).toEqual([200, 404]);
    expect(await readdir(join(server.folder, "profiles", "versions"))).toHaveLength(1);
  });

  test("is not made of what runs on no device", async () => {
    const handler = "export default { fetch: () => new Response('hello') };";
    await server.client.mustDeploy("hello", handler);
    expect(await post("hello")).toMatchObject({
      code: "UNSUPPORTED",
      error: expect.stringContaining("handler"),
    });
    // A control: a model that is a Program.
    await server.client.mustDeploy("dense", denseModel(1));
    expect((await post("dense", { ...brief, seconds: 0.5, batches: [1] })).status).toBe(200);
  });
});
