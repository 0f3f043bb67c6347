/** Images as tensors for models, and back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Image } from "../../../runtime/library/image.ts";
import { imageToTensor, tensorToImage } from "../../../runtime/library/image-tensor.ts";
import { tensor } from "../../../runtime/library/tensor.ts";

/** Two pixels: red over blue, with an alpha that does not count. */
const image: Image = {
  width: 1,
  height: 2,
  channels: 4,
  data: new Uint8Array([255, 0, 51, 7, 0, 102, 255, 255]),
};

describe("`imageToTensor()`", () => {
  test("puts channels before pixels, or after them", () => {
    const opaque = { ...image, data: image.data.with(3, 255) };
    const planar = imageToTensor(opaque, { scale: 1 });
    expect(planar.shape).toEqual([1, 3, 2, 1]);
    expect([...planar.data]).toEqual([255, 0, 0, 102, 51, 255]);
    const interleaved = imageToTensor(opaque, { scale: 1, layout: "nhwc" });
    expect(interleaved.shape).toEqual([1, 2, 1, 3]);
    expect([...interleaved.data]).toEqual([255, 0, 51, 0, 102, 255]);
  });

  test("scales, then subtracts the mean, then divides by the deviation", () => {
    const { data } = imageToTensor(image, { mean: [0.5, 0, 0], std: [0.5, 1, 2] });
    expect([...data]).toEqual([1, -1, 0, 102 / 255, 0.1, 0.5].map((value) => Math.fround(value)));
    expect([...imageToTensor(image, { channels: 1, scale: 1 }).data]).toEqual([82, 89]);
    expect(() => imageToTensor(image, { mean: [1, 2] })).toThrow(
      "mean has 2 values: expected one, or one for each of 3",
    );
  });

  test("resizes on the way", () => {
    const grey: Image = { width: 4, height: 1, channels: 1, data: new Uint8Array([0, 0, 160, 160]) };
    const { shape, data } = imageToTensor(grey, { width: 2, height: 1, channels: 1, scale: 1 });
    expect([shape, ...data]).toEqual([[1, 1, 1, 2], 23, 137]);
  });
});

describe("`tensorToImage()`", () => {
  test("undoes `imageToTensor()`", () => {
    const sizes = fc.integer({ min: 1, max: 8 });
    const bytes = fc.infiniteStream(fc.nat(255));
    const layouts = fc.constantFrom("nchw", "nhwc" as const);
    fc.assert(
      fc.property(
        sizes,
        sizes,
        fc.constantFrom(1, 3, 4 as const),
        bytes,
        layouts,
        (width, height, channels, stream, layout) => {
          const data = Uint8Array.from(stream.take(width * height * channels));
          const before: Image = { width, height, channels, data };
          const options = { channels, layout, mean: 0.45, std: 0.225 };
          expect(tensorToImage(imageToTensor(before, options), options)).toEqual(before);
        },
      ),
    );
  });

  test("takes bytes as functions give them", () => {
    const data = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(tensorToImage({ data, shape: [1, 2, 4] })).toEqual({ width: 2, height: 1, channels: 4, data });
    expect(tensorToImage({ data, shape: [2, 4] })).toEqual({ width: 4, height: 2, channels: 1, data });
    const own = tensorToImage({ data, shape: [2, 4] });
    expect(own.data.buffer).not.toBe(data.buffer);
  });

  test("cuts off what lies outside a byte", () => {
    const { data } = tensorToImage(tensor([-1, 0.5, 2, Number.NaN], [1, 1, 2, 2]));
    expect([...data]).toEqual([0, 128, 255, 0]);
  });

  test("refuses shapes and types that are no image", () => {
    expect(() => tensorToImage(tensor(new Float32Array(8), [1, 2, 2, 2]))).toThrow(
      /its shape is \[1,2,2,2\]/,
    );
    expect(() => tensorToImage(tensor(new Float32Array(8), [2, 1, 2, 2]))).toThrow(
      /its shape is \[2,1,2,2\]/,
    );
    expect(() => tensorToImage(tensor(new Float32Array(0), [1, 1, 0, 2]))).toThrow(/its shape is/);
    expect(() => tensorToImage(tensor(new Int32Array(4), [1, 1, 2, 2]))).toThrow(
      "it is int32: expected uint8 or floats",
    );
    expect(() => tensorToImage({ data: new Uint8Array(3), shape: [2, 2] })).toThrow("it has 3 elements");
    expect(tensorToImage(tensor(new Float32Array(4), [1, 1, 2, 2])).width).toBe(2);
  });
});
