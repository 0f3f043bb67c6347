/** WAV files and sample rates. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resample } from "../../../runtime/library/resample.ts";
import { decodeWav, encodeWav, mixToMono } from "../../../runtime/library/wav.ts";
import { damaged, expectNoOtherError } from "./damage.ts";

interface Format {
  readonly code: number;
  readonly channels?: number;
  readonly bits: number;
  readonly samples: readonly number[];
  readonly statedLength?: number;
  readonly extensible?: boolean;
}

/** A file as the specification has it, a chunk of something else in between. */
function wav({ code, channels = 1, bits, samples, statedLength, extensible = false }: Format): Uint8Array {
  const u16 = (value: number) => [value & 255, (value >> 8) & 255];
  const u32 = (value: number) => [...u16(value & 0xffff), ...u16(Math.floor(value / 65536))];
  const text = (value: string) => [...new TextEncoder().encode(value)];
  const frame = (channels * bits) / 8;
  const guid = [0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113];
  const rest = extensible ? [...u16(22), ...u16(bits), ...u32(0), ...u16(code), ...guid] : [];
  const format = [
    ...u16(extensible ? 0xfffe : code),
    ...u16(channels),
    ...u32(8000),
    ...u32(8000 * frame),
    ...u16(frame),
    ...u16(bits),
    ...rest,
  ];
  const body = [
    ...text("WAVE"),
    ...text("LIST"),
    ...u32(3),
    ...[1, 2, 3, 0],
    ...text("fmt "),
    ...u32(format.length),
    ...format,
    ...text("data"),
    ...u32(statedLength ?? samples.length),
    ...samples,
  ];
  return Uint8Array.from([...text("RIFF"), ...u32(body.length), ...body]);
}

const bytesOf = (data: ArrayBufferView) => [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];

describe("`decodeWav()`", () => {
  test.each([
    ["8 bits", { code: 1, bits: 8, samples: [0, 128, 192] }, [-1, 0, 0.5]],
    [
      "16 bits",
      { code: 1, bits: 16, samples: bytesOf(Int16Array.of(-32768, 16384, 1)) },
      [-1, 0.5, 2 ** -15],
    ],
    ["24 bits", { code: 1, bits: 24, samples: [0, 0, 0x80, 0, 0, 0x40, 1, 0, 0] }, [-1, 0.5, 2 ** -23]],
    ["32 bits", { code: 1, bits: 32, samples: bytesOf(Int32Array.of(-(2 ** 31), 2 ** 30)) }, [-1, 0.5]],
    ["floats", { code: 3, bits: 32, samples: bytesOf(Float32Array.of(-1.5, 0.25)) }, [-1.5, 0.25]],
    ["doubles", { code: 3, bits: 64, samples: bytesOf(Float64Array.of(-1, 0.25)) }, [-1, 0.25]],
    // ITU-T G.711: the largest and the smallest of either sign.
    ["mu-law", { code: 7, bits: 8, samples: [0x80, 0x00, 0xff] }, [32124 / 32768, -32124 / 32768, 0]],
    [
      "A-law",
      { code: 6, bits: 8, samples: [0xaa, 0x2a, 0xd5, 0x55] },
      [32256 / 32768, -32256 / 32768, 8 / 32768, -8 / 32768],
    ],
    ["an extended header", { code: 1, bits: 16, samples: [0, 64], extensible: true }, [0.5]],
    [
      "a length that was not known",
      { code: 1, bits: 16, samples: [0, 64, 9], statedLength: 0xffff_ffff },
      [0.5],
    ],
  ] satisfies ReadonlyArray<readonly [string, Format, readonly number[]]>)(
    "reads %s",
    (_, format, expected) => {
      const { sampleRate, channels, samples } = decodeWav(wav(format));
      expect([sampleRate, channels, samples.length]).toEqual([8000, 1, 1]);
      expect([...samples[0]!]).toEqual(expected.map((value) => Math.fround(value)));
    },
  );

  test("takes channels apart", () => {
    const file = wav({
      code: 1,
      bits: 16,
      channels: 2,
      samples: bytesOf(Int16Array.of(0, 8192, 16384, -8192)),
    });
    const { samples } = decodeWav(file.buffer as ArrayBuffer);
    expect(samples.map((channel) => [...channel])).toEqual([
      [0, 0.5],
      [0.25, -0.25],
    ]);
    expect([...mixToMono(samples)]).toEqual([0.125, 0.125]);
  });

  test.each([
    ["no sound at all", new TextEncoder().encode("RIFX no sound"), /does not begin like one/],
    ["an encoding that is not read", wav({ code: 17, bits: 4, samples: [] }), /has the number 17/],
    ["12 bits", wav({ code: 1, bits: 12, samples: [] }), /12 bits a sample: pcm has 8, 16, 24, 32/],
    ["no channels", wav({ code: 1, bits: 8, channels: 0, samples: [1] }), /has 0 channels/],
    ["very many channels", wav({ code: 1, bits: 8, channels: 65535, samples: [1] }), /has 65535 channels/],
    ["samples that are missing", wav({ code: 1, bits: 8, samples: [1], statedLength: 2 }), /is cut off/],
  ])("refuses %s", (_, file, message) => {
    expect(() => decodeWav(file)).toThrow(message);
  });

  test("refuses damaged files and nothing else", async () => {
    const file = encodeWav({
      sampleRate: 8000,
      samples: [Float32Array.of(0, 0.5, -0.5), new Float32Array(3)],
    });
    await fc.assert(
      fc.asyncProperty(damaged(file), (one) =>
        expectNoOtherError(() => decodeWav(one), /^INVALID_ARGUMENT$/),
      ),
      { numRuns: 500 },
    );
  });
});

describe("`encodeWav()`", () => {
  test("keeps what its bits can hold", () => {
    const samples = fc.array(fc.float({ noNaN: true, min: -1, max: 1 }), { minLength: 0, maxLength: 30 });
    fc.assert(
      fc.property(samples, fc.constantFrom(16, 24, 32 as const), (values, bits) => {
        const channel = Float32Array.from(values);
        const other = channel.map((value) => -value / 2);
        const decoded = decodeWav(encodeWav({ sampleRate: 44_100, samples: [channel, other] }, { bits }));
        expect([decoded.sampleRate, decoded.channels]).toEqual([44_100, 2]);
        for (const [index, one] of [channel, other].entries()) {
          expect(decoded.samples[index]).toHaveLength(one.length);
          for (const [at, value] of one.entries())
            expect(Math.abs(decoded.samples[index]![at]! - value)).toBeLessThanOrEqual(
              bits === 32 ? 0 : 2 ** (1 - bits),
            );
        }
      }),
    );
  });

  test("cuts off what is too loud, but for floats", () => {
    const loud = { sampleRate: 8000, samples: [Float32Array.of(2, -2, Number.NaN)] };
    expect([...decodeWav(encodeWav(loud)).samples[0]!]).toEqual([32767 / 32768, -1, 0]);
    expect([...decodeWav(encodeWav(loud, { bits: 32 })).samples[0]!]).toEqual([2, -2, Number.NaN]);
  });

  test("refuses what is no sound", () => {
    const silence = new Float32Array(2);
    expect(() => encodeWav({ sampleRate: 8000, samples: [] })).toThrow("it has 0 channels");
    expect(() => encodeWav({ sampleRate: 8000, samples: [silence, new Float32Array(1)] })).toThrow(
      "differ in length",
    );
    expect(() => encodeWav({ sampleRate: 0.5, samples: [silence] })).toThrow("its sample rate is 0.5");
    expect(encodeWav({ sampleRate: 8000, samples: [silence] })).toHaveLength(48);
  });
});

describe("`resample()`", () => {
  const sine = (hertz: number, rate: number, length: number) =>
    Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate));
  /** The largest difference, the ends left out: there is nothing beyond them to go by. */
  const distance = (a: Float32Array, b: Float32Array) => {
    let worst = 0;
    for (let i = 60; i < Math.min(a.length, b.length) - 60; i++)
      worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    return worst;
  };

  test.each([
    [44_100, 16_000],
    [48_000, 16_000],
    [8000, 16_000],
    [16_000, 44_100],
    [22_050, 16_001],
  ])("brings a tone from %i to %i", (from, to) => {
    const result = resample(sine(440, from, from / 5), from, to);
    expect(result).toHaveLength(Math.ceil(((from / 5) * to) / from));
    expect(distance(result, sine(440, to, result.length))).toBeLessThan(2e-3);
  });

  test("takes away what is too high for the new rate", () => {
    // It would come back as 3 kHz.
    const result = resample(sine(13_000, 48_000, 9600), 48_000, 16_000);
    expect(distance(result, new Float32Array(result.length))).toBeLessThan(2e-3);
  });

  test("keeps a constant, to the ends", () => {
    const rates = fc.integer({ min: 1000, max: 200_000 });
    fc.assert(
      fc.property(rates, rates, fc.integer({ min: 1, max: 300 }), (from, to, length) => {
        const result = resample(new Float32Array(length).fill(0.75), from, to);
        expect(result).toHaveLength(Math.ceil((length * to) / from));
        expect(result.every((value) => Math.abs(value - 0.75) < 1e-5)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("copies where the rate stays, and refuses rates that are none", () => {
    const samples = Float32Array.of(1, 2);
    const same = resample(samples, 8000, 8000);
    expect(same).toEqual(samples);
    expect(same).not.toBe(samples);
    expect(resample(new Float32Array(0), 8000, 16_000)).toHaveLength(0);
    for (const [from, to] of [
      [0, 1],
      [1, 0],
      [-1, 1],
      [Number.NaN, 1],
      [1, Number.POSITIVE_INFINITY],
    ] as const)
      expect(() => resample(samples, from, to)).toThrow(/its rates are/);
    expect(() => resample(samples, 1, 1e12)).toThrow(/at most 268435456/);
  });
});
