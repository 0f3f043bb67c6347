/** PNG and JPEG files, as others wrote them and as they should not be. */

import fc from "fast-check";
import { encode } from "fast-png";
import { describe, expect, test } from "vitest";
import type { Channels } from "../../../runtime/library/channels.ts";
import { type Image, toGrey, toRgb, toRgba } from "../../../runtime/library/image.ts";
import { decodeImage, encodeJpeg, encodePng } from "../../../runtime/library/image-files.ts";
import { checkJpeg } from "../../../runtime/library/jpeg-check.ts";
import { damaged, expectNoOtherError } from "./damage.ts";
import { jpegSamples, samplePoints } from "./jpeg-samples.ts";

const refusals = /^(INVALID_ARGUMENT|PAYLOAD_TOO_LARGE|UNSUPPORTED)$/;
const jpeg = (name: keyof typeof jpegSamples) => Uint8Array.fromBase64(jpegSamples[name].base64);

function noise(width: number, height: number, channels: Channels): Image {
  const data = new Uint8Array(width * height * channels).map((_, i) => (i * 37 + (i >> 3) * 11) % 256);
  return { width, height, channels, data };
}

const pixel = ({ width, channels, data }: Image, x: number, y: number) =>
  data.subarray((y * width + x) * channels).slice(0, 3);

describe("PNG", () => {
  test.each([1, 3, 4] as const)("of %i channels come back as they were", async (channels) => {
    const image = noise(5, 4, channels);
    expect(await decodeImage(encodePng(image))).toEqual(toRgba(image));
  });

  test("of 16 bits and of palettes are read as RGBA", async () => {
    const deep = encode({
      width: 1,
      height: 1,
      depth: 16,
      channels: 2,
      data: new Uint16Array([0xabcd, 0x8000]),
    });
    expect([...(await decodeImage(deep)).data]).toEqual([0xab, 0xab, 0xab, 0x80]);
    const palette = [
      [1, 2, 3, 128],
      [4, 5, 6, 255],
    ];
    const data = new Uint8Array([1, 0]);
    const indexed = encode({ width: 2, height: 1, depth: 8, channels: 1, palette, data });
    expect([...(await decodeImage(indexed)).data]).toEqual([4, 5, 6, 255, 1, 2, 3, 128]);
  });

  test("of more pixels than the maximum are refused before they are unpacked", async () => {
    const file = encodePng(noise(20, 10, 1));
    await expect(decodeImage(file, { maxPixels: 199 })).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect((await decodeImage(file, { maxPixels: 200 })).width).toBe(20);
    // The size in the header says 2 ** 31 - 1 squared: memory for it is never asked for.
    const huge = file.slice();
    huge.set([0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff], 16);
    await expect(decodeImage(huge)).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });

  test("that are damaged are refused and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(damaged(encodePng(noise(6, 5, 4))), (file) =>
        expectNoOtherError(() => decodeImage(file), refusals),
      ),
      { numRuns: 300 },
    );
  });
});

describe("JPEG", () => {
  test.each(Object.keys(jpegSamples) as Array<keyof typeof jpegSamples>)(
    "of the kind '%s' has the colours that Pillow sees",
    async (name) => {
      const image = await decodeImage(jpeg(name));
      expect([image.width, image.height, image.channels]).toEqual([18, 11, 4]);
      for (const [index, [x, y]] of samplePoints.entries()) {
        const expected = jpegSamples[name].colours[index]!;
        // Decoders round differently, and this one repeats colours where Pillow blends them.
        for (const [channel, value] of pixel(image, x, y).entries())
          expect(Math.abs(value - expected[channel]!), `${name} ${x},${y}`).toBeLessThanOrEqual(8);
      }
    },
  );

  test("that was written is nearly the picture, and nearer with more quality", async () => {
    const smooth = Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => {
      const at = Math.floor(i / 3);
      return [(at % 40) * 6, Math.floor(at / 40) * 8, 100][i % 3]!;
    });
    const image: Image = { width: 40, height: 30, channels: 3, data: smooth };
    const errorAt = async (quality: number) => {
      const { data } = toRgb(await decodeImage(encodeJpeg(image, { quality })));
      return data.reduce((sum, value, i) => sum + Math.abs(value - smooth[i]!), 0) / data.length;
    };
    const [good, bad] = [await errorAt(95), await errorAt(10)];
    expect(good).toBeLessThan(2);
    expect(bad).toBeGreaterThan(good);
    expect(bad).toBeLessThan(12);
  });

  test("is written without the host's Buffer", async () => {
    const host: { Buffer?: unknown } = globalThis;
    const own = host.Buffer;
    const image = noise(8, 8, 3);
    const expected = encodeJpeg(image);
    try {
      delete host.Buffer;
      expect(encodeJpeg(image)).toEqual(expected);
      expect("Buffer" in host).toBe(false);
    } finally {
      host.Buffer = own;
    }
  });

  test("of more pixels than the maximum are refused before memory is taken", async () => {
    const file = jpeg("baseline");
    await expect(decodeImage(file, { maxPixels: 197 })).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      message: "Cannot read the JPEG as its 18 x 11 pixels exceed the maximum of 197",
    });
    expect((await decodeImage(file, { maxPixels: 198 })).height).toBe(11);
    await expect(decodeImage(resized(file, 65_535, 65_535))).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
  });

  test("whose data cannot fill their size are refused before memory is taken", async () => {
    const file = jpeg("baseline");
    await expect(decodeImage(resized(file, 8000, 8000))).rejects.toThrow(/too few for 8000 x 8000 pixels/);
    expect(checkJpeg(file, 1000)).toMatchObject({ width: 18, height: 11, isYcc: true });
  });

  test("of very many scans are refused", () => {
    const file = jpeg("progressive");
    const scan = indexOfMarker(file, 0xda);
    const length = (file[scan + 2]! << 8) | file[scan + 3]!;
    const header = file.subarray(scan, scan + 2 + length);
    const repeated = (times: number) =>
      new Uint8Array([
        ...file.subarray(0, scan),
        ...Array.from({ length: times }, () => [...header]).flat(),
        ...file.subarray(scan),
      ]);
    expect(() => checkJpeg(repeated(101), 1000)).toThrow(/more than 100 scans/);
    expect(checkJpeg(repeated(50), 1000).width).toBe(18);
  });

  test("that are damaged are refused and nothing else", async () => {
    for (const name of ["baseline", "progressive", "CMYK", "restart markers"] as const) {
      await fc.assert(
        fc.asyncProperty(damaged(jpeg(name)), (file) =>
          expectNoOtherError(() => decodeImage(file, { maxPixels: 1e6 }), refusals),
        ),
        { numRuns: 150 },
      );
    }
  });

  test("cannot be written of a quality that is none", () => {
    expect(() => encodeJpeg(noise(1, 1, 1), { quality: 0 })).toThrow(/the quality is 0: expected 1 to 100/);
    expect(() => encodeJpeg(noise(1, 1, 1), { quality: Number.NaN })).toThrow(/expected 1 to 100/);
    expect(encodeJpeg(noise(1, 1, 1), { quality: 1 })[0]).toBe(0xff);
  });
});

test("other files are refused by name", async () => {
  await expect(decodeImage(new TextEncoder().encode("GIF89a"))).rejects.toMatchObject({
    code: "UNSUPPORTED",
  });
  await expect(decodeImage(new Uint8Array())).rejects.toThrow("neither PNG nor JPEG");
  expect((await decodeImage(encodePng(noise(1, 1, 1)).buffer)).width).toBe(1);
});

test("channels are added and taken away", () => {
  const image: Image = {
    width: 2,
    height: 1,
    channels: 4,
    data: new Uint8Array([255, 0, 0, 9, 7, 7, 7, 255]),
  };
  expect([...toRgb(image).data]).toEqual([255, 0, 0, 7, 7, 7]);
  expect([...toGrey(image).data]).toEqual([76, 7]);
  expect([...toRgba(toGrey(image)).data]).toEqual([76, 76, 76, 255, 7, 7, 7, 255]);
  expect(toRgba(image)).toEqual(image);
  expect(() => toGrey({ ...image, channels: 3 })).toThrow(/has 8 bytes: 2 x 1 of 3 channels has 6/);
});

function indexOfMarker(file: Uint8Array, marker: number): number {
  return file.findIndex((byte, at) => byte === 0xff && file[at + 1] === marker);
}

/** The file with another size in its header. */
function resized(file: Uint8Array, width: number, height: number): Uint8Array {
  const copy = file.slice();
  new DataView(copy.buffer).setUint16(indexOfMarker(file, 0xc0) + 5, height);
  new DataView(copy.buffer).setUint16(indexOfMarker(file, 0xc0) + 7, width);
  return copy;
}
