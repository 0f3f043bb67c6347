/** Stored bytes that rot, are lost or are tampered with: what callers see, and what a deploy repairs. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseVersionRecord, reachableFrom, type VersionRecord } from "../../gateway/functions/record.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { buildZip } from "../gateway/bundle/zip-builder.ts";
import { flipBit } from "../gateway/store/folders.ts";
import { dataFolder, type RunningGateway, startGateway } from "./running-gateway.ts";
import { manifestOf, timesModel, timesShader, width } from "./small-functions.ts";
import { floats, floatsIn } from "./tensors.ts";

let folder: Awaited<ReturnType<typeof dataFolder>>;
let server: RunningGateway;

beforeEach(async () => {
  folder = await dataFolder();
  server = await startGateway(folder.path);
});

afterEach(async () => {
  await server.close();
  await folder[Symbol.asyncDispose]();
});

const three = floats([3], [1, 2, 3]);
const row = floats(
  [1, width],
  Array.from({ length: width }, (_, i) => i + 1),
);

async function restart(): Promise<void> {
  await server.close();
  server = await startGateway(folder.path);
}

async function answer(name: string, x: Tensor): Promise<readonly number[]> {
  return [...floatsIn((await server.client.infer(name, { x })).get("y")!)];
}

const times = (x: Tensor, factor: number) => [...floatsIn(x)].map((value) => value * factor);

/** `y = x * w` with w among the manifest's constants. */
function withConstant(w: number): Uint8Array {
  const manifest = {
    constants: { w: { type: "float32", shape: [4], values: [w, 0, 0, 0] } },
    steps: [{ kernel: "main", bind: { x: "x", w: "w", y: "y" }, workgroups: ["ceil(n / 64)"] }],
  };
  const shader = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&y)) { y[id.x] = x[id.x] * w[0]; }
}
`;
  return buildZip([
    { name: "function.json", content: manifestOf(manifest) },
    { name: "kernel.wgsl", content: shader },
  ]);
}

/** `timesModel(2)`, its variant of one row compiled at deploy. */
function compiledAtDeploy(): Uint8Array {
  return buildZip([
    { name: "function.json", content: JSON.stringify({ kind: "onnx", variants: [{ rows: 1 }] }) },
    { name: "model.onnx", content: timesModel(2) },
  ]);
}

async function recordOf(name: string): Promise<VersionRecord> {
  const text = await readFile(join(folder.path, "functions", name, "1.json"), "utf8");
  return parseVersionRecord(JSON.parse(text));
}

async function weightsOf(name: string): Promise<readonly string[]> {
  const { source } = await recordOf(name);
  if (source.type === "wgsl") return source.weights;
  return source.variants.flatMap((one) => (one.type === "program" ? one.weights : []));
}

const blobPath = (digest: string) => join(folder.path, "blobs", digest.slice(0, 2), digest);
const programPath = (digest: string) => join(folder.path, "programs", digest.slice(0, 2), `${digest}.json`);

/** Every file that the store has for a function. */
async function filesOf(name: string): Promise<readonly string[]> {
  const record = await recordOf(name);
  const variants = record.source.type === "onnx" ? record.source.variants : [];
  const programs = variants.flatMap((one) => (one.type === "program" ? [one.program] : []));
  const digests = [...new Set(reachableFrom(record))];
  return digests.map((digest) => (programs.includes(digest) ? programPath(digest) : blobPath(digest)));
}

async function expectDamaged(name: string, x: Tensor, digest: string): Promise<void> {
  const refused = await server.client.tryInfer(name, { x });
  expect(refused).toMatchObject({
    status: 500,
    code: "CORRUPT_DATA",
    error: expect.stringMatching(
      `^Function '${name}' version 1 is damaged: .*${digest}.*: deploy the function again$`,
    ),
  });
  if ("error" in refused) console.log(refused.error);
}

async function deployAgain(name: string, bytes: Uint8Array): Promise<void> {
  const again = await server.client.deploy(name, bytes);
  expect(again).toMatchObject({ status: 200, body: { changed: false } });
  expect(again.body.function.versions.map(({ version }) => version)).toEqual([1]);
}

test("a damaged weight costs its function alone, and a deploy of the same bytes repairs it", async () => {
  await server.client.mustDeploy("model", compiledAtDeploy());
  await server.client.mustDeploy("constant", withConstant(5));
  await server.client.mustDeploy("other", timesShader(3));
  const [weight = ""] = await weightsOf("model");
  const [constant = ""] = await weightsOf("constant");
  await restart();
  await flipBit(blobPath(weight), 100);
  await flipBit(blobPath(constant), 2);
  for (let round = 0; round < 2; round++) {
    await expectDamaged("model", row, weight);
    await expectDamaged("constant", three, constant);
    expect(await answer("other", three)).toEqual(times(three, 3));
  }
  expect(server.started.filter((kind) => kind === "device")).toEqual(["device"]);

  await deployAgain("model", compiledAtDeploy());
  await deployAgain("constant", withConstant(5));
  expect(await answer("model", row)).toEqual(times(row, 2));
  expect(await answer("constant", three)).toEqual(times(three, 5));
  await restart();
  expect(await answer("model", row)).toEqual(times(row, 2));
  expect(await answer("constant", three)).toEqual(times(three, 5));
});

test("weights that are in memory keep serving while the disk loses them, and through the repair", async () => {
  await server.client.mustDeploy("f", withConstant(7));
  expect(await answer("f", three)).toEqual(times(three, 7));
  for (const path of await filesOf("f")) await rm(path);
  expect(await answer("f", three)).toEqual(times(three, 7));
  let isRepaired = false;
  const calls = (async () => {
    let count = 0;
    for (; !isRepaired; count++) expect(await answer("f", three)).toEqual(times(three, 7));
    return count;
  })();
  await deployAgain("f", withConstant(7));
  isRepaired = true;
  console.log(`${await calls} calls were answered during the repair`);
  await restart();
  expect(await answer("f", three)).toEqual(times(three, 7));
});

test("whatever is lost or damaged of a model, a deploy of the same bytes brings it back", async () => {
  // Its variant is compiled at the first call, which a deploy does not repeat.
  await server.client.mustDeploy("f", timesModel(2));
  expect(await answer("f", row)).toEqual(times(row, 2));
  const files = await filesOf("f");
  expect(files.length).toBeGreaterThanOrEqual(3);
  for (const path of files) {
    await restart();
    await (files.indexOf(path) % 2 === 0 ? rm(path) : flipBit(path, 11));
    await deployAgain("f", timesModel(2));
    expect(await answer("f", row)).toEqual(times(row, 2));
  }
  console.log(`${files.length} stored files were damaged one after the other`);
  await restart();
  expect(await answer("f", row)).toEqual(times(row, 2));
});

test("a model is not compiled or served from damaged bytes", async () => {
  await server.client.mustDeploy("f", timesModel(2));
  const { source, digest } = await recordOf("f");
  if (source.type !== "onnx") throw new TypeError("The function is no model");
  // Beyond its header, where the weight lies: ORT would take it.
  await flipBit(blobPath(source.model), 5000);
  await expectDamaged("f", row, source.model);
  expect((await recordOf("f")).source).toMatchObject({ variants: [] });
  expect(digest).toBe(source.model);
  await deployAgain("f", timesModel(2));
  expect(await answer("f", row)).toEqual(times(row, 2));
});

test("deploys that go on at the same time leave each other's bytes alone", async () => {
  // From the fourth version on each deploy removes a version and collects what nothing names.
  const deploys = [100, 200, 300, 400].map(async (base) => {
    for (let i = 1; i <= 9; i++) await server.client.mustDeploy(`f${base}`, timesShader(base + i));
  });
  await Promise.all(deploys);
  await restart();
  for (const base of [100, 200, 300, 400])
    for (const version of [7, 8, 9])
      expect(await answer(`f${base}/versions/${version}`, three)).toEqual(times(three, base + version));
});
