/** Stored bytes that rot, are lost or are tampered with: what callers see, and what a deploy repairs. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { FunctionStatus, VersionDamage } from "../../gateway/functions/functions.ts";
import { parseVersionRecord, reachableFrom, type VersionRecord } from "../../gateway/functions/record.ts";
import { scrub } from "../../gateway/store/scrub.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { buildZip } from "../gateway/bundle/zip-builder.ts";
import { flipBit } from "../gateway/store/folders.ts";
import { gatewayFor } from "./running-gateway.ts";
import { modelRows, timesConstant, timesModel, timesShader } from "./small-functions.ts";
import { floats, floatsIn } from "./tensors.ts";

const server = gatewayFor("each test");

const three = floats([3], [1, 2, 3]);
const row = modelRows();
const answer = (name: string, x: Tensor) => server.client.answer(name, x);
const times = (x: Tensor, factor: number) => [...floatsIn(x)].map((value) => value * factor);

/** `timesModel(2)`, its variant of one row compiled at deploy. */
function compiledAtDeploy(): Uint8Array {
  return buildZip([
    { name: "function.json", content: JSON.stringify({ kind: "onnx", variants: [{ rows: 1 }] }) },
    { name: "model.onnx", content: timesModel(2) },
  ]);
}

async function recordOf(name: string): Promise<VersionRecord> {
  const text = await readFile(join(server.folder, "functions", name, "1.json"), "utf8");
  return parseVersionRecord(JSON.parse(text));
}

async function weightsOf(name: string): Promise<readonly string[]> {
  const { source } = await recordOf(name);
  if (source.type === "wgsl") return source.weights;
  if (source.type === "handler") return [];
  return source.variants.flatMap((one) => (one.type === "program" ? one.weights : []));
}

const blobPath = (digest: string) => join(server.folder, "blobs", digest.slice(0, 2), digest);
const programPath = (digest: string) => join(server.folder, "programs", digest.slice(0, 2), `${digest}.json`);

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

/** What the gateway says of the damage of each function, by name. */
async function damageShown(): Promise<Readonly<Record<string, VersionDamage | undefined>>> {
  const { body } = await server.client.send<{ functions: FunctionStatus[] }>("/v1/functions");
  return Object.fromEntries(body.functions.map(({ name, current }) => [name, current.damage]));
}

async function deployAgain(name: string, bytes: Uint8Array): Promise<void> {
  const again = await server.client.deploy(name, bytes);
  expect(again).toMatchObject({ status: 200, body: { changed: false } });
  expect(again.body.function.versions.map(({ version }) => version)).toEqual([1]);
}

test("a damaged weight costs its function alone, and a deploy of the same bytes repairs it", async () => {
  await server.client.mustDeploy("model", compiledAtDeploy());
  await server.client.mustDeploy("constant", timesConstant(5, 4, "values"));
  await server.client.mustDeploy("other", timesShader(3));
  const [weight = ""] = await weightsOf("model");
  const [constant = ""] = await weightsOf("constant");
  await server.restart();
  await flipBit(blobPath(weight), 100);
  await flipBit(blobPath(constant), 2);
  expect(await damageShown()).toEqual({});
  for (let round = 0; round < 2; round++) {
    await expectDamaged("model", row, weight);
    await expectDamaged("constant", three, constant);
    expect(await answer("other", three)).toEqual(times(three, 3));
  }
  expect(server.started.filter((kind) => kind === "device")).toEqual(["device"]);
  const reason = expect.stringContaining("its stored bytes have another digest: deploy the function again");
  const since = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);
  expect(await damageShown()).toEqual({
    model: { reason, digest: weight, since },
    constant: { reason, digest: constant, since },
  });

  await deployAgain("model", compiledAtDeploy());
  expect(await damageShown()).toEqual({ constant: { reason, digest: constant, since } });
  await deployAgain("constant", timesConstant(5, 4, "values"));
  expect(await damageShown()).toEqual({});
  expect(await answer("model", row)).toEqual(times(row, 2));
  expect(await answer("constant", three)).toEqual(times(three, 5));
  await server.restart();
  expect(await answer("model", row)).toEqual(times(row, 2));
  expect(await answer("constant", three)).toEqual(times(three, 5));
});

test("weights that are in memory keep serving while the disk loses them, and through the repair", async () => {
  await server.client.mustDeploy("f", timesConstant(7, 4, "values"));
  expect(await answer("f", three)).toEqual(times(three, 7));
  const files = await filesOf("f");
  for (const path of files) await flipBit(path, 5);
  const { store } = server.gateway.backends;
  const onChecked = server.gateway.functions.noteChecked.bind(server.gateway.functions);
  await scrub({ store, onChecked, bytesPerSecond: Number.POSITIVE_INFINITY });
  expect(await damageShown()).toEqual({
    f: expect.objectContaining({ reason: expect.stringMatching(/check/) }),
  });
  for (const path of files) await rm(path);
  expect(await answer("f", three)).toEqual(times(three, 7));
  let isRepaired = false;
  const calls = (async () => {
    let count = 0;
    for (; !isRepaired; count++) expect(await answer("f", three)).toEqual(times(three, 7));
    return count;
  })();
  await deployAgain("f", timesConstant(7, 4, "values"));
  isRepaired = true;
  expect(await damageShown()).toEqual({});
  console.log(`${await calls} calls were answered during the repair`);
  await server.restart();
  expect(await answer("f", three)).toEqual(times(three, 7));
});

test("whatever is lost or damaged of a model, a deploy of the same bytes brings it back", async () => {
  // Its variant is compiled at the first call, which a deploy does not repeat.
  await server.client.mustDeploy("f", timesModel(2));
  expect(await answer("f", row)).toEqual(times(row, 2));
  const files = await filesOf("f");
  expect(files.length).toBeGreaterThanOrEqual(3);
  for (const path of files) {
    await server.restart();
    await (files.indexOf(path) % 2 === 0 ? rm(path) : flipBit(path, 11));
    await deployAgain("f", timesModel(2));
    expect(await answer("f", row)).toEqual(times(row, 2));
  }
  console.log(`${files.length} stored files were damaged one after the other`);
  await server.restart();
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
  await server.restart();
  for (const base of [100, 200, 300, 400])
    for (const version of [7, 8, 9])
      expect(await answer(`f${base}/versions/${version}`, three)).toEqual(times(three, base + version));
});
