/** Real, trained models: deployed and called over HTTP, compared with ONNX Runtime's CPU provider. */
import { afterAll, describe, expect, test } from "vitest";
import type { FunctionStatus } from "../../gateway/functions/functions.ts";
import type { Tensor, Tensors } from "../../kernels/tensor.ts";
import { type CpuSession, createCpuSession } from "../../models/ort.ts";
import { compareTensors } from "../../models/verify/compare.ts";
import { onlyIfAsked } from "../left-out.ts";
import { missingFiles } from "../models/onnx/shared-files.ts";
import { digitPicture, modelFile, readSpeech, wavePicture } from "./media.ts";
import { gatewayFor, type TestGateway } from "./running-gateway.ts";
import { floats, floatsIn, tensorOf } from "./tensors.ts";

const digits = [0, 3, 5, 7];
const deployMs = 300_000;

const isUltrafaceLeftOut = onlyIfAsked(
  "Ultraface",
  "compiling its shaders takes a software adapter half a minute",
);

describe.skipIf(missingFiles !== undefined)("real models over HTTP", () => {
  const server = gatewayFor("all tests");
  const references: CpuSession[] = [];

  afterAll(async () => {
    for (const reference of references) await reference.release();
  });

  async function reference(name: string): Promise<CpuSession> {
    const session = await createCpuSession({ model: modelFile(name) });
    references.push(session);
    return session;
  }

  test("MNIST is recorded and reads the four digits, in JSON and in bytes", {
    timeout: deployMs,
  }, async () => {
    const status = await server.client.mustDeploy("mnist", modelFile("mnist.onnx"));
    expect(status.current.engine.type).toBe("program");
    for (const digit of digits) {
      const picture = digitPicture(digit);
      const scores = (await server.client.infer("mnist", { Input3: picture })).get("Plus214_Output_0")!;
      expect(scores.shape).toEqual([1, 10]);
      expect(likeliest(floatsIn(scores))).toBe(digit);
      const { body } = await server.client.inferJson("mnist", [
        { name: "Input3", shape: picture.shape, datatype: "FP32", data: [...floatsIn(picture)] },
      ]);
      expect(Float32Array.from(body.outputs[0]!.data as number[])).toEqual(floatsIn(scores));
    }
  });

  test.skipIf(isUltrafaceLeftOut)(
    "Ultraface is recorded and agrees with the CPU provider",
    {
      timeout: deployMs,
    },
    async () => {
      const status = await server.client.mustDeploy("ultraface", modelFile("ultraface-rfb-320.onnx"));
      expect(status.current.engine).toMatchObject({ type: "program" });
      const inputs = { input: wavePicture(240, 320) };
      const outputs = await server.client.infer("ultraface", inputs);
      expectClose(outputs, await (await reference("ultraface-rfb-320.onnx")).run(inputs));
    },
  );

  test("Silero follows speech with its state carried from step to step", { timeout: deployMs }, async () => {
    const status = await server.client.mustDeploy("silero", modelFile("silero-vad-16k.onnx"));
    expect(status.current.signature.inputs.map(({ shape }) => shape)).toEqual([
      ["batch", "sequence"],
      [2, "batch", 128],
      [],
    ]);
    const local = await reference("silero-vad-16k.onnx");
    // Steps 50 to 97: the end of a sentence, a pause, the beginning of the next one.
    const voiced: number[] = [];
    let served = firstState();
    let expected = firstState();
    for (const samples of speechSteps(50, 48)) {
      const answer = await server.client.infer("silero", { input: samples, state: served, sr: sampleRate });
      const truth = await local.run({ input: samples, state: expected, sr: sampleRate });
      expectClose(answer, truth);
      voiced.push(floatsIn(answer.get("output")!)[0]!);
      served = answer.get("stateN")!;
      expected = truth.get("stateN")!;
    }
    expect(voiced[5]).toBeGreaterThan(0.9);
    expect(voiced[25]).toBeLessThan(0.1);
    expect(voiced[45]).toBeGreaterThan(0.9);
  });

  test("Silero's status says why it is served by the fallback", async () => {
    const { engine } = (await server.client.status("silero")).current;
    expect(engine).toMatchObject({
      type: "fallback",
      reason: expect.stringContaining("read back to the CPU"),
    });
  });

  test("a restarted gateway serves all of them and compiles nothing", { timeout: deployMs }, async () => {
    const calls: readonly (readonly [string, Tensors])[] = [
      ["mnist", { Input3: digitPicture(7) }],
      ...(isUltrafaceLeftOut ? [] : ([["ultraface", { input: wavePicture(240, 320) }]] as const)),
      ["silero", { input: [...speechSteps(50, 1)][0]!, state: firstState(), sr: sampleRate }],
    ];
    const before = await Promise.all(calls.map(([name, inputs]) => server.client.infer(name, inputs)));
    const statuses = await allStatuses(server);
    expect(server.started).toContain("compiler");
    await server.restart();
    expect(await allStatuses(server)).toEqual(statuses);
    for (const [i, [name, inputs]] of calls.entries())
      expect(await server.client.infer(name, inputs)).toEqual(before[i]);
    expect(server.started).toEqual(["device", "session"]);
  });
});

const sampleRate = tensorOf("int64", [], [16000]);

function firstState(): Tensor {
  return floats([2, 1, 128], new Array(256).fill(0));
}

/** Each step has 512 new samples, after the last 64 of the step before. */
function* speechSteps(first: number, count: number): Generator<Tensor> {
  const samples = readSpeech("speech.wav");
  for (let step = first; step < first + count; step++)
    yield floats([1, 576], [...samples.subarray(512 * step - 64, 512 * (step + 1))]);
}

function likeliest(scores: Float32Array): number {
  return scores.indexOf(Math.max(...scores));
}

function expectClose(actual: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>): void {
  expect([...actual.keys()]).toEqual([...expected.keys()]);
  for (const [name, reference] of expected) {
    expect(actual.get(name)!.shape).toEqual(reference.shape);
    expect(compareTensors(actual.get(name)!.data, reference).maxAbsoluteError).toBeLessThan(1e-4);
  }
}

async function allStatuses({ client }: TestGateway): Promise<readonly FunctionStatus[]> {
  return (await client.send<{ functions: readonly FunctionStatus[] }>("/v1/functions")).body.functions;
}
