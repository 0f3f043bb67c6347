/** The examples that use models, answered by ONNX Runtime's CPU provider in place of the device. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type DawnletFunction, decodeImage, encodeJpeg, encodePng, encodeWav, type Image } from "dawnlet";
import { afterAll, describe, expect, test } from "vitest";
import digits from "../../../gateway/examples/digits/handler.ts";
import { exampleEmbedding } from "../../../gateway/examples/example-embedding.ts";
import similar from "../../../gateway/examples/similar/handler.ts";
import voice from "../../../gateway/examples/voice/handler.ts";
import type { TensorSpec } from "../../../kernels/tensor.ts";
import { decodeWav } from "../../../runtime/library/wav.ts";
import { missingFiles, sharedFolder } from "../../models/onnx/shared-files.ts";
import { openReference, type Reference } from "../../models/rewrite/reference.ts";
import { ask, fakeFunction, post } from "./fake-function.ts";

const shared = (name: string) => new Uint8Array(readFileSync(join(sharedFolder, "models", name)));
const float32 = (name: string, ...shape: number[]): TensorSpec => ({ name, dataType: "float32", shape });

const opened: Reference[] = [];
afterAll(async () => {
  for (const reference of opened) await reference.close();
});

async function open(model: Uint8Array): Promise<Reference> {
  const reference = await openReference(model, true);
  opened.push(reference);
  return reference;
}

// Where there are no models, shared-files.ts has said so.
describe.skipIf(missingFiles !== undefined)("the example `digits`", () => {
  const mnist = async () => {
    const { run } = await open(shared("mnist.onnx"));
    return fakeFunction<{ Plus214_Output_0: "float32" }>([float32("Input3", 1, 1, 28, 28)], run);
  };

  test.each([0, 3, 5, 7])("reads a %i, from a JPEG and from a larger PNG of another shape", async (digit) => {
    const file = shared(`digit-${digit}.jpg`);
    const env = { mnist: await mnist() };
    for (const body of [file, await enlarged(file)]) {
      const answer = await (await ask(digits, post(body), env)).json();
      expect(answer.digit).toBe(digit);
      expect(answer.probabilities).toHaveLength(10);
      expect(answer.probabilities[digit]).toBeGreaterThan(0.5);
      expect(answer.probabilities.reduce((sum: number, one: number) => sum + one)).toBeCloseTo(1, 4);
    }
  });

  /** Three times as large, with black beside it. */
  async function enlarged(file: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const { width, height, data } = await decodeImage(file);
    const grey = new Uint8Array(width * 4 * height * 3);
    for (let y = 0; y < height * 3; y++) {
      for (let x = 0; x < width * 3; x++)
        grey[y * width * 4 + x + 14] = data[(Math.floor(y / 3) * width + Math.floor(x / 3)) * 4]!;
    }
    return encodePng({ width: width * 4, height: height * 3, channels: 1, data: grey });
  }
});

describe.skipIf(missingFiles !== undefined)("the example `voice`", () => {
  const inputs: readonly TensorSpec[] = [
    float32("input", 1, 576),
    float32("state", 2, 1, 128),
    { name: "sr", dataType: "int64", shape: [] },
  ];

  test("finds the speech between silences, and leaves nothing on the device", async () => {
    const { run } = await open(shared("silero-vad-16k.onnx"));
    const vad = fakeFunction<{ output: "float32"; stateN: "float32" }>(inputs, run);
    const speech = decodeWav(shared("speech.wav")).samples[0]!.subarray(0, 3 * 16_000);
    // A second of silence, the recording, a second of silence, in stereo.
    const sound = new Float32Array(5 * 16_000);
    sound.set(speech, 16_000);
    const file = encodeWav({ sampleRate: 16_000, samples: [sound, sound] });
    const answer = await (await ask(voice, post(file), { vad })).json();
    expect(answer.seconds).toBe(5);
    expect(answer.speech.length).toBeGreaterThan(0);
    for (const { start, end } of answer.speech) {
      expect(start).toBeGreaterThan(0.9);
      expect(end).toBeGreaterThan(start);
      expect(end).toBeLessThan(4.5);
    }
    // Only what the model remembered last: the end of the request gives it back.
    expect(vad.alive).toBe(1);
  });

  test("hears none in silence", async () => {
    const { run } = await open(shared("silero-vad-16k.onnx"));
    const vad = fakeFunction<{ output: "float32"; stateN: "float32" }>(inputs, run);
    const file = encodeWav({ sampleRate: 8000, samples: [new Float32Array(8000)] });
    const answer = await (await ask(voice, post(file), { vad })).json();
    expect(answer).toEqual({ seconds: 1, speech: [] });
  });
});

describe("the example `similar`", () => {
  const embed = async (): Promise<DawnletFunction<{ embedding: "float32" }>> => {
    const { run } = await open(exampleEmbedding());
    return fakeFunction([float32("image", 1, 3, 64, 64)], run);
  };

  const draw = (colour: (x: number, y: number) => readonly [number, number, number]): Image => {
    const data = new Uint8Array(96 * 80 * 3);
    for (let i = 0; i < 96 * 80; i++) data.set(colour(i % 96, Math.floor(i / 96)), i * 3);
    return { width: 96, height: 80, channels: 3, data };
  };
  const disc = (size: number) =>
    draw((x, y) => (Math.hypot(x - 48, y - 40) < size ? [230, 60, 40] : [20, 40, 120]));
  const stripes = draw((x) => (x % 16 < 8 ? [240, 240, 240] : [10, 90, 10]));

  const compare = async (first: Uint8Array<ArrayBuffer>, second: Uint8Array<ArrayBuffer>) => {
    const form = new FormData();
    form.append("first", new Blob([first]), "first.png");
    form.append("second", new Blob([second]), "second.png");
    const response = await ask(similar, post(form), { embed: await embed() });
    return (await response.json()).similarity as number;
  };

  test("finds a picture like itself, less like a similar one, and least like another", async () => {
    const picture = encodePng(disc(25));
    const same = await compare(picture, picture);
    const compressed = await compare(picture, encodeJpeg(disc(25)));
    const near = await compare(picture, encodePng(disc(30)));
    const far = await compare(picture, encodePng(stripes));
    expect(same).toBeCloseTo(1, 6);
    expect(compressed).toBeGreaterThan(0.99);
    expect(near).toBeLessThan(compressed);
    expect(far).toBeLessThan(near);
    expect(far).toBeLessThan(0.8);
  });

  test("asks for two pictures", async () => {
    const form = new FormData();
    form.append("first", new Blob([encodePng(stripes)]), "first.png");
    form.append("note", "no file");
    await expect(ask(similar, post(form), { embed: await embed() })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "Cannot compare 1 pictures: expected two files",
    });
    const get = new Request("http://localhost/");
    expect((await ask(similar, get, { embed: await embed() })).status).toBe(405);
  });
});
