/** Deploying, redeploying, removing and restarting, over HTTP on real processes. */
import { describe, expect, test, vi } from "vitest";
import type { Tensor } from "../../kernels/tensor.ts";
import { buildZip } from "../gateway/bundle/zip-builder.ts";
import { oddModels } from "./odd-models.ts";
import { gatewayFor, startGateway, storedBlobs } from "./running-gateway.ts";
import {
  diagonal,
  manifestOf,
  modelRows,
  timesModel,
  timesModelWithFile,
  timesShader,
} from "./small-functions.ts";
import { floats, floatsIn } from "./tensors.ts";

const server = gatewayFor("each test");

const three = floats([3], [1, 2, 3]);

const answer = (model: string, x: Tensor = three) => server.client.answer(model, x);

function times(x: Tensor, factor: number): readonly number[] {
  return [...floatsIn(x)].map((value) => value * factor);
}

async function memoryInUse(): Promise<{ totalBytes: number; loadedPrograms: number }> {
  const { totalBytes, loadedPrograms } = await server.gateway.backends.devices.memory();
  return { totalBytes, loadedPrograms };
}

const nothing = { totalBytes: 0, loadedPrograms: 0 };

describe("what can be deployed", () => {
  test("a lone shader, a zip of shaders, a lone model, and a zip of a model with its weights", async () => {
    await server.client.mustDeploy("shader", timesShader(2));
    const zip = buildZip([
      { name: "function.json", content: manifestOf() },
      { name: "kernel.wgsl", content: timesShader(3), deflate: true },
    ]);
    await server.client.mustDeploy("zip", zip);
    await server.client.mustDeploy("model", timesModel(4));
    const modelZip = buildZip([
      { name: "model.onnx", content: timesModelWithFile("weights/w.bin") },
      { name: "weights/w.bin", content: new Uint8Array(diagonal(5).buffer) },
    ]);
    await server.client.mustDeploy("model-zip", modelZip);

    expect(await answer("shader")).toEqual([2, 4, 6]);
    expect(await answer("zip")).toEqual([3, 6, 9]);
    expect(await answer("model", modelRows(2))).toEqual(times(modelRows(2), 4));
    expect(await answer("model-zip", modelRows(2))).toEqual(times(modelRows(2), 5));
    for (const name of ["shader", "zip", "model", "model-zip"])
      expect((await server.client.status(name)).current.engine.type).toBe("program");
  });

  test("the variants that a manifest names are compiled at deploy, others at their first call", async () => {
    const compile = vi.spyOn(server.gateway.backends.compilers, "compile");
    const manifest = { kind: "onnx", variants: [{ rows: 1 }, { rows: 4 }] };
    const zip = buildZip([
      { name: "function.json", content: JSON.stringify(manifest) },
      { name: "model.onnx", content: timesModel(2) },
    ]);
    await server.client.mustDeploy("variants", zip);
    expect(compile).toHaveBeenCalledTimes(2);
    expect(await answer("variants", modelRows(4))).toEqual(times(modelRows(4), 2));
    expect(compile).toHaveBeenCalledTimes(2);
    expect(await answer("variants", modelRows(3))).toEqual(times(modelRows(3), 2));
    expect(compile).toHaveBeenCalledTimes(3);
  });
});

test("a call without elements is answered, and keeps no other size off the GPU", async () => {
  await server.client.mustDeploy("f", timesModel(2));
  expect(await answer("f", modelRows(0))).toEqual([]);
  expect(await answer("f", modelRows(1))).toEqual(times(modelRows(1), 2));
  expect((await server.client.status("f")).current.engine).toMatchObject({ type: "program" });
});

describe("versions", () => {
  test("answer by number and by digest, the newest by default, and the oldest goes", async () => {
    const digests: string[] = [];
    for (const factor of [2, 3, 4]) {
      const { current } = await server.client.mustDeploy("f", timesShader(factor));
      digests.push(current.digest);
    }
    expect(await answer("f")).toEqual(times(three, 4));
    expect(await answer("f/versions/1")).toEqual(times(three, 2));
    expect(await answer(`f/versions/${digests[1]!.slice(0, 8)}`)).toEqual(times(three, 3));
    const { versions } = await server.client.mustDeploy("f", timesShader(5));
    expect(versions.map(({ version }) => version)).toEqual([2, 3, 4]);
    expect(await server.client.tryInfer("f/versions/1", { x: three })).toMatchObject({
      status: 404,
      code: "NOT_FOUND",
    });
    expect(await answer("f/versions/2")).toEqual(times(three, 3));
  });

  test("the same bytes again change nothing; others make a version", async () => {
    const first = await server.client.deploy("f", timesShader(2));
    expect(first).toMatchObject({ status: 201, body: { changed: true } });
    const again = await server.client.deploy("f", timesShader(2));
    expect(again).toMatchObject({ status: 200, body: { changed: false, function: first.body.function } });
    const other = await server.client.deploy("f", timesShader(3));
    expect(other).toMatchObject({
      status: 200,
      body: { changed: true, function: { current: { version: 2 } } },
    });
  });

  test("a redeploy that fails leaves the old version serving", async () => {
    await server.client.mustDeploy("f", timesShader(2));
    const status = await server.client.status("f");
    const blobs = await storedBlobs(server.folder);
    for (const bytes of ["fn main( {", timesModelWithFile("missing.bin"), buildZip([])])
      expect(await server.client.deploy("f", bytes)).toMatchObject({ status: 400 });
    expect(await server.client.status("f")).toEqual(status);
    expect(await answer("f")).toEqual(times(three, 2));
    // What failed deploys stored goes with the next collection.
    await server.client.mustDeploy("other", timesShader(9));
    await server.client.remove("other");
    expect(await storedBlobs(server.folder)).toEqual(blobs);
  });

  test("a removed function is not found, and nothing of it stays", async () => {
    await server.client.mustDeploy("f", timesModel(2));
    await answer("f", modelRows(1));
    expect((await memoryInUse()).loadedPrograms).toBe(1);
    expect(await server.client.remove("f")).toMatchObject({ status: 204 });
    expect(await server.client.tryInfer("f", { x: modelRows(1) })).toMatchObject({
      status: 404,
      code: "NOT_FOUND",
    });
    expect(await server.client.remove("f")).toMatchObject({ status: 404 });
    expect(await storedBlobs(server.folder)).toEqual([]);
    expect(await memoryInUse()).toEqual(nothing);
  });
});

describe("at the same time", () => {
  test("deploys of many functions and calls of others are all right", async () => {
    await server.client.mustDeploy("steady", timesShader(7));
    const factors = [2, 3, 4, 5, 6, 8];
    const deploys = factors.map(async (factor) => {
      await server.client.mustDeploy(
        `f${factor}`,
        factor % 2 === 0 ? timesShader(factor) : timesModel(factor),
      );
      const x = factor % 2 === 0 ? three : modelRows(1);
      expect(await answer(`f${factor}`, x)).toEqual(times(x, factor));
    });
    const calls = Array.from({ length: 50 }, async () => {
      expect(await answer("steady")).toEqual(times(three, 7));
    });
    await Promise.all([...deploys, ...calls]);
  });

  test("deploys of one name become versions one after another", async () => {
    const answers = await Promise.all(
      [2, 3, 4].map((factor) => server.client.deploy("f", timesShader(factor))),
    );
    expect(answers.map(({ body }) => body.function.current.version).sort()).toEqual([1, 2, 3]);
    expect((await server.client.status("f")).versions).toHaveLength(3);
  });

  test("first calls of one size compile it once, and sizes share their weight", async () => {
    const compile = vi.spyOn(server.gateway.backends.compilers, "compile");
    await server.client.mustDeploy("f", timesModel(2));
    expect(compile).not.toHaveBeenCalled();
    const answers = await Promise.all(Array.from({ length: 8 }, () => answer("f", modelRows(2))));
    expect(compile).toHaveBeenCalledTimes(1);
    for (const one of answers) expect(one).toEqual(times(modelRows(2), 2));
    const blobs = await storedBlobs(server.folder);
    const { weightBytes } = await server.gateway.backends.devices.memory();
    expect(weightBytes).toBeGreaterThanOrEqual(diagonal(2).byteLength);
    expect(await answer("f", modelRows(5))).toEqual(times(modelRows(5), 2));
    expect(compile).toHaveBeenCalledTimes(2);
    expect(await storedBlobs(server.folder)).toEqual(blobs);
    expect((await server.gateway.backends.devices.memory()).weightBytes).toBe(weightBytes);
  });

  test("a call that runs when its function is removed still gets its answer", async () => {
    await server.client.mustDeploy("f", timesModel(3));
    const call = answer("f", modelRows(2));
    await vi.waitFor(() => expect(server.started.filter((kind) => kind === "compiler")).toHaveLength(1));
    // The call compiles its size first, so the removal comes in the middle.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const removal = await server.client.remove("f");
    expect(removal.status).toBe(204);
    expect(await call).toEqual(times(modelRows(2), 3));
    expect(await memoryInUse()).toEqual(nothing);
    expect(await storedBlobs(server.folder)).toEqual([]);
  });

  test("one of two functions with equal bytes can go while the other answers", async () => {
    const strings = oddModels.find(({ name }) => name === "strings")!;
    const { inputs, outputs } = strings.call!;
    for (const name of ["a", "b"]) {
      await server.client.mustDeploy(`gpu-${name}`, timesModel(3));
      await server.client.mustDeploy(`cpu-${name}`, strings.bytes);
    }
    await answer("gpu-b", modelRows(1));
    let isOver = false;
    const calls = async () => {
      while (!isOver) {
        expect(await answer("gpu-b", modelRows(1))).toEqual(times(modelRows(1), 3));
        expect((await server.client.infer("cpu-b", inputs)).get("c")).toEqual(outputs.c);
      }
    };
    const calling = Promise.all([calls(), calls(), calls()]);
    for (const name of ["gpu-a", "cpu-a"]) expect((await server.client.remove(name)).status).toBe(204);
    isOver = true;
    await calling;
    await calls();
  });
});

describe("after a restart", () => {
  test("versions, variants and answers are as before, and nothing is compiled", async () => {
    await server.client.mustDeploy("shader", timesShader(2));
    await server.client.mustDeploy("shader", timesShader(3));
    await server.client.mustDeploy("model", timesModel(4));
    await answer("model", modelRows(2));
    const statuses = [await server.client.status("shader"), await server.client.status("model")];
    await server.restart();
    expect([await server.client.status("shader"), await server.client.status("model")]).toEqual(statuses);
    expect(await answer("shader")).toEqual(times(three, 3));
    expect(await answer("shader/versions/1")).toEqual(times(three, 2));
    expect(await answer("model", modelRows(2))).toEqual(times(modelRows(2), 4));
    expect(server.started).toEqual(["device"]);
    const { current } = await server.client.mustDeploy("shader", timesShader(5));
    expect(current.version).toBe(3);
  });

  test("a second gateway on the same data folder is refused while the first one runs", async () => {
    await expect(startGateway(server.folder)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await server.client.mustDeploy("f", timesShader(2));
    expect(await answer("f")).toEqual(times(three, 2));
  });
});

describe("when the device process is killed", () => {
  test("calls go on as soon as it is gone, on another one", async () => {
    await server.client.mustDeploy("shader", timesShader(2));
    await server.client.mustDeploy("model", timesModel(3));
    await answer("shader");
    await answer("model", modelRows(1));
    for (let round = 1; round <= 2; round++) {
      process.kill((await server.gateway.backends.devices.pid())!, "SIGKILL");
      const answers = await Promise.all([answer("shader"), answer("model", modelRows(1)), answer("shader")]);
      expect(answers).toEqual([times(three, 2), times(modelRows(1), 3), times(three, 2)]);
      expect(server.started.filter((kind) => kind === "device")).toHaveLength(1 + round);
    }
  });

  test("memory is counted anew, and returns to nothing when all is removed", async () => {
    await server.client.mustDeploy("shader", timesShader(2));
    await server.client.mustDeploy("model", timesModel(3));
    await Promise.all([answer("shader"), answer("model", modelRows(1)), answer("model", modelRows(4))]);
    process.kill((await server.gateway.backends.devices.pid())!, "SIGKILL");
    await Promise.all([answer("shader"), answer("model", modelRows(1)), answer("model", modelRows(4))]);
    expect(await memoryInUse()).toMatchObject({ loadedPrograms: 3 });
    for (const name of ["shader", "model"]) await server.client.remove(name);
    expect(await memoryInUse()).toEqual(nothing);
  });
});
