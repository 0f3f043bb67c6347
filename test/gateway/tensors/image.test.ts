import fc from "fast-check";
import { encode } from "fast-png";
import { describe, expect, test } from "vitest";
import { readPng, writePng } from "../../../gateway/tensors/image.ts";
import { DawnletError } from "../../../kernels/errors.ts";

const limitBytes = 2 ** 20;
const rgba = { name: "image", dataType: "uint8", shape: ["h", "w", 4] } as const;
const rgb = { name: "image", dataType: "uint8", shape: ["h", "w", 3] } as const;
const grey = { name: "image", dataType: "uint8", shape: ["h", "w"] } as const;

describe("PNG images", () => {
  test.each([
    ["RGBA", rgba, [3, 5, 4]],
    ["RGB", rgb, [3, 5, 3]],
    ["grey", grey, [3, 5]],
  ] as const)("%s pixels come back as they were", async (_, signature, shape) => {
    const size = shape.reduce<number>((product, dimension) => product * dimension, 1);
    const data = new Uint8Array(size).map((__, i) => (i * 37) % 256);
    const file = writePng("y", { dataType: "uint8", shape, data });
    expect(await readPng(signature, file, limitBytes)).toEqual({ dataType: "uint8", shape, data });
  });

  test("are brought to the channels of the input", async () => {
    const file = writePng("y", {
      dataType: "uint8",
      shape: [1, 2, 4],
      data: new Uint8Array([255, 0, 0, 9, 7, 7, 7, 255]),
    });
    expect((await readPng(rgb, file, limitBytes)).data).toEqual(new Uint8Array([255, 0, 0, 7, 7, 7]));
    expect((await readPng(grey, file, limitBytes)).data).toEqual(new Uint8Array([76, 7]));
  });

  test("of 1 bit, 16 bits, a palette, and interlaced are read", async () => {
    const oneBit = encode({
      width: 10,
      height: 1,
      depth: 1,
      channels: 1,
      data: new Uint8Array([0b10100000, 0b01000000]),
    });
    expect((await readPng(grey, oneBit, limitBytes)).data).toEqual(
      new Uint8Array([255, 0, 255, 0, 0, 0, 0, 0, 0, 255]),
    );
    const deep = encode({
      width: 2,
      height: 1,
      depth: 16,
      channels: 1,
      data: new Uint16Array([0xabcd, 0x0100]),
    });
    expect((await readPng(grey, deep, limitBytes)).data).toEqual(new Uint8Array([0xab, 1]));
    const palette = [
      [1, 2, 3, 128],
      [4, 5, 6, 255],
    ];
    const indexed = encode({
      width: 2,
      height: 1,
      depth: 8,
      channels: 1,
      palette,
      data: new Uint8Array([1, 0]),
    });
    expect((await readPng(rgba, indexed, limitBytes)).data).toEqual(
      new Uint8Array([4, 5, 6, 255, 1, 2, 3, 128]),
    );
    const data = new Uint8Array(11 * 9 * 3).map((_, i) => i % 256);
    const interlaced = encode({ width: 11, height: 9, depth: 8, channels: 3, data }, { interlace: "Adam7" });
    expect((await readPng(rgb, interlaced, limitBytes)).data).toEqual(data);
  });

  test("larger than the limit are refused before they are unpacked", async () => {
    const file = writePng("y", { dataType: "uint8", shape: [100, 100], data: new Uint8Array(10_000) });
    await expect(readPng(grey, file, 39_999)).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect((await readPng(grey, file, 40_000)).shape).toEqual([100, 100]);
  });

  test("whose pixels unpack to more than their header says are refused", async () => {
    const file = writePng("y", { dataType: "uint8", shape: [200, 100], data: new Uint8Array(20_000) });
    const small = writePng("y", { dataType: "uint8", shape: [1, 1], data: new Uint8Array(1) });
    // The header of the small one before the pixels of the large one.
    const lying = new Uint8Array([...small.subarray(0, 33), ...file.subarray(33)]);
    await expect(readPng(grey, lying, limitBytes)).rejects.toThrow(/unpack to more than the 2 bytes/);
  });

  test("that are damaged fail with INVALID_ARGUMENT and nothing else", async () => {
    const whole = writePng("y", {
      dataType: "uint8",
      shape: [4, 4, 4],
      data: new Uint8Array(64).map((_, i) => i * 3),
    });
    const flips = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(flips, fc.integer({ min: 0, max: whole.length * 3 }), async (changes, cut) => {
        const damaged = whole.slice(0, cut);
        for (const [at, byte] of changes) if (at < damaged.length) damaged[at] = byte;
        const result = await readPng(rgba, damaged, limitBytes).catch((error: unknown) => error);
        if (!(result instanceof Error)) return;
        expect(result).toBeInstanceOf(DawnletError);
        expect((result as DawnletError).code).toMatch(/^(INVALID_ARGUMENT|PAYLOAD_TOO_LARGE)$/);
      }),
      { numRuns: 400 },
    );
  });

  test("do not fit other inputs or outputs", async () => {
    const file = writePng("y", { dataType: "uint8", shape: [1, 1], data: new Uint8Array(1) });
    const floats = { name: "x", dataType: "float32", shape: ["h", "w", 4] } as const;
    await expect(readPng(floats, file, limitBytes)).rejects.toThrow(/input 'x' as it is float32/);
    const tensor = { dataType: "uint8", shape: [2, 2, 5], data: new Uint8Array(20) } as const;
    expect(() => writePng("y", tensor)).toThrow(/output 'y' as PNG as it is uint8 of shape \[2,2,5\]/);
  });
});
