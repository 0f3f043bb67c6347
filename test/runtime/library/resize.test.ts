/** Sizes of images, against what Pillow 12.3 gives for the same pictures. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Channels } from "../../../runtime/library/channels.ts";
import type { Image } from "../../../runtime/library/image.ts";
import { type ResizeOptions, resize } from "../../../runtime/library/resize.ts";

/** A picture without a pattern; the references were made of the same. */
function picture(width: number, height: number, channels: Channels): Image {
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < channels; k++)
        data[(y * width + x) * channels + k] = x * 53 + y * 91 + k * 37 + x * y * 17;
    }
  }
  return { width, height, channels, data };
}

const grey = (width: number, height: number, ...data: number[]): Image => ({
  width,
  height,
  channels: 1,
  data: Uint8Array.from(data),
});

interface Case {
  readonly name: string;
  readonly from: readonly [number, number, Channels];
  readonly to: readonly [number, number];
  readonly options: ResizeOptions;
  readonly expected: string;
}

const pillow: readonly Case[] = [
  { name: "shrunk", from: [7, 5, 3], to: [3, 2], options: {}, expected: "ZnKCfoh8hYVXeWJyh4xxc5R8" },
  {
    name: "grown",
    from: [3, 2, 1],
    to: [7, 5],
    options: {},
    expected: "AAgeNUxiagkRKEBXbnYuN1FrhqCpUlx5lrTR21tlg6G/3ec=",
  },
  {
    name: "shrunk across and grown down",
    from: [9, 2, 3],
    to: [4, 5],
    options: {},
    expected: "LFF2kbajT3RhfKHGNlZ7j62fWXdffZ3CYWyRhoiOgINXgIyxi4KnfGN9p45Og3qflYeselp5sZFMhHab",
  },
  {
    name: "with alpha",
    from: [6, 6, 4],
    to: [3, 4],
    options: {},
    expected: "QV2EhWx2knZhh3BmVm1+bWVtgX5We4+OaHCRnHh2hoVTeH9ue3uDhIJxhY2JgpKW",
  },
  {
    name: "by nearest pixels",
    from: [7, 5, 3],
    to: [4, 9],
    options: { filter: "nearest" },
    expected:
      "ACVKao+01PkePmOIACVKao+01PkePmOIW4Cl5wwxc5i9/yRJW4Cl5wwxc5i9/yRJttsAZImuEjdcwOUKETZb4QYrsdb7gabLETZb4QYrsdb7gabLbJG2XoOoUHWaQmeMbJG2XoOoUHWaQmeM",
  },
  {
    name: "cut to a square",
    from: [7, 4, 3],
    to: [3, 3],
    options: { fit: "cover" },
    expected: "eG+UiqKph6xGhl6DdIRUYod5lE1yfIN1YYar",
  },
  {
    name: "cut to a wide one",
    from: [5, 8, 1],
    to: [4, 2],
    options: { fit: "cover" },
    expected: "SYqOf4qkn4o=",
  },
  {
    name: "padded",
    from: [8, 4, 3],
    to: [6, 7],
    options: { fit: "contain" },
    expected:
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALVJ3c3GWh5eskbZUW1pYa3meep9qf2SJfX9TXYJ4uZ5DZGJhSW5dilZ7g3draY6sY4iGpEtZAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  },
];

describe("`resize()`", () => {
  test.each(pillow)("gives what Pillow gives, to the bit: $name", ({ from, to, options, expected }) => {
    const { width, height, channels, data } = resize(picture(...from), ...to, options);
    expect([width, height, channels]).toEqual([...to, from[2]]);
    expect(data.toBase64()).toBe(expected);
  });

  test("averages the pixels that a new one covers", () => {
    // Half the size: each new pixel weighs four old ones 1/8, 3/8, 3/8, 1/8; at the ends 3/7, 3/7, 1/7.
    expect([...resize(grey(4, 1, 0, 0, 160, 160), 2, 1).data]).toEqual([23, 137]);
    expect([...resize(grey(1, 2, 10, 31), 1, 1).data]).toEqual([21]);
  });

  test("shows all of the picture, or all of the frame", () => {
    const wide = grey(4, 2, 1, 2, 3, 4, 5, 6, 7, 8);
    expect([...resize(wide, 2, 2, { fit: "cover", filter: "nearest" }).data]).toEqual([2, 3, 6, 7]);
    expect([...resize(wide, 4, 4, { fit: "contain", filter: "nearest" }).data]).toEqual([
      ...[0, 0, 0, 0, 1, 2, 3, 4],
      ...[5, 6, 7, 8, 0, 0, 0, 0],
    ]);
  });

  test("does not let transparent pixels colour their neighbours", () => {
    const half: Image = {
      width: 2,
      height: 1,
      channels: 4,
      data: new Uint8Array([200, 0, 0, 255, 0, 0, 255, 0]),
    };
    expect([...resize(half, 1, 1).data]).toEqual([199, 0, 0, 128]);
    const opaque = { ...half, data: new Uint8Array([200, 0, 0, 255, 0, 0, 255, 255]) };
    expect([...resize(opaque, 1, 1).data]).toEqual([100, 0, 128, 255]);
  });

  test("leaves an even picture even and its own size as it is", () => {
    const sizes = fc.integer({ min: 1, max: 40 });
    const fits = fc.constantFrom("fill", "cover" as const);
    const filters = fc.constantFrom("triangle", "nearest" as const);
    fc.assert(
      fc.property(
        sizes,
        sizes,
        sizes,
        sizes,
        fc.nat(255),
        fits,
        filters,
        (w, h, tw, th, value, fit, filter) => {
          const even = grey(w, h, ...new Array<number>(w * h).fill(value));
          const result = resize(even, tw, th, { fit, filter });
          expect(new Set(result.data)).toEqual(new Set([value]));
          const image = picture(w, h, 3);
          expect(resize(image, w, h, { fit, filter })).toEqual(image);
        },
      ),
    );
  });

  test("refuses sizes that are none, and images whose data does not fit", () => {
    const image = picture(2, 2, 3);
    for (const [width, height] of [
      [0, 1],
      [1, -1],
      [1.5, 1],
      [Number.NaN, 1],
      [2 ** 20, 2 ** 20],
    ] as const) {
      expect(() => resize(image, width, height)).toThrow(
        expect.objectContaining({ name: "DawnletError", code: "INVALID_ARGUMENT" }),
      );
    }
    expect(() => resize({ ...image, width: 3 }, 1, 1)).toThrow(
      "Cannot use the image as it has 12 bytes: 3 x 2 of 3 channels has 18",
    );
    expect(resize(image, 1, 1).data.byteLength).toBe(3);
  });
});
