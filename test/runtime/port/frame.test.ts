import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { decodeFrame, defaultFrameLimits, encodeFrame } from "../../../runtime/port/frame.ts";
import { FrameDecoder } from "../../../runtime/port/frame-decoder.ts";
import type { Message } from "../../../runtime/port/port.ts";

const anyAttachment = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 0, max: 70_000 }).map((size) => new Uint8Array(size).fill(size & 255, size >> 1)),
);
const anyMessage = fc.record({
  header: fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value))),
  attachments: fc.array(anyAttachment, { maxLength: 4 }),
});

function frameOf(message: Message): Uint8Array<ArrayBuffer> {
  const pieces = encodeFrame(message);
  const frame = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.byteLength;
  }
  return frame;
}

function joined(frames: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(frames.reduce((sum, frame) => sum + frame.byteLength, 0));
  let at = 0;
  for (const frame of frames) {
    all.set(frame, at);
    at += frame.byteLength;
  }
  return all;
}

function plain(message: Message): unknown {
  return {
    header: message.header,
    attachments: message.attachments.map((bytes) => Buffer.from(bytes).toString("base64")),
  };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof DawnletError ? error.code : String(error);
  }
  return "nothing thrown";
}

describe("encodeFrame and decodeFrame", () => {
  test("give back what went in, with attachments at multiples of 8", () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const frame = frameOf(message);
        expect(frame.byteLength % 8).toBe(0);
        const back = decodeFrame(frame);
        expect(plain(back)).toEqual(plain(message));
        for (const attachment of back.attachments) expect(attachment.byteOffset % 8).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  test("keep letters of every length in the header, also in long ones", () => {
    for (const header of ["aé€😀", "é€😀".repeat(9000), { é: "\uFEFF\u0000" }]) {
      expect(decodeFrame(frameOf({ header, attachments: [] })).header).toEqual(header);
    }
  });

  test("do not copy large attachments on the way out", () => {
    const large = new Uint8Array(100_000);
    expect(encodeFrame({ header: {}, attachments: [large] })).toContain(large);
  });

  test("refuse a header that is no JSON", () => {
    expect(() => encodeFrame({ header: undefined, attachments: [] })).toThrow(TypeError);
    expect(() => encodeFrame({ header: 1n, attachments: [] })).toThrow(TypeError);
    expect(encodeFrame({ header: null, attachments: [] })).toHaveLength(1);
  });

  test("refuse what is over the limits, and take what is just within", () => {
    const limits = { maxFrameBytes: 1024, maxHeaderBytes: 100, maxAttachments: 2 };
    const attempt = (header: unknown, sizes: number[]): string =>
      codeOf(() => encodeFrame({ header, attachments: sizes.map((size) => new Uint8Array(size)) }, limits));
    expect(attempt("x".repeat(98), [])).toBe("nothing thrown");
    expect(attempt("x".repeat(99), [])).toBe("PAYLOAD_TOO_LARGE");
    expect(attempt("", [1, 1])).toBe("nothing thrown");
    expect(attempt("", [1, 1, 1])).toBe("PAYLOAD_TOO_LARGE");
    expect(attempt("", [1000])).toBe("nothing thrown");
    expect(attempt("", [1001])).toBe("PAYLOAD_TOO_LARGE");
  });

  test("refuse every frame with one bit of its sizes changed, or read it as another message", () => {
    const message = { header: { a: [1, "b"] }, attachments: [new Uint8Array(5), new Uint8Array(20)] };
    const frame = frameOf(message);
    const headerBytes = new DataView(frame.buffer).getUint32(4, true);
    let refused = 0;
    for (const offset of [0, 4, 8 + headerBytes, 12 + headerBytes, 16 + headerBytes]) {
      for (let bit = 0; bit < 32; bit++) {
        const bad = frame.slice();
        bad[offset + (bit >> 3)]! ^= 1 << (bit & 7);
        const code = codeOf(() => decodeFrame(bad));
        // Lengths of attachments may change within their padding: 5 to 4, 20 to 21.
        if (code !== "nothing thrown") refused++;
        expect(["INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE", "nothing thrown"]).toContain(code);
      }
    }
    expect(refused).toBeGreaterThan(150);
  });
});

describe("FrameDecoder", () => {
  test("gives the same messages however the bytes are cut, pushed or read in place", () => {
    fc.assert(
      fc.property(
        fc.array(anyMessage, { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (messages, cuts, inPlace) => {
          const stream = joined(messages.map(frameOf));
          const got: unknown[] = [];
          const views: Message[] = [];
          const decoder = new FrameDecoder((message) => {
            got.push(plain(message));
            views.push(message);
          });
          let at = 0;
          for (let turn = 0; at < stream.byteLength; turn++) {
            const size = Math.min(cuts[turn % cuts.length]!, stream.byteLength - at);
            if (inPlace) {
              const target = decoder.target();
              const taken = Math.min(size, target.byteLength);
              target.set(stream.subarray(at, at + taken));
              decoder.received(taken);
              at += taken;
            } else {
              decoder.push(stream.slice(at, at + size));
              at += size;
            }
          }
          expect(got).toEqual(messages.map(plain));
          // Nothing that came later was written over what was handed out.
          expect(views.map(plain)).toEqual(got);
          for (const { attachments } of views)
            for (const bytes of attachments) expect(bytes.byteOffset % 8).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("takes a message byte by byte", () => {
    const message = { header: "é", attachments: [new Uint8Array([1, 2, 3])] };
    const got: Message[] = [];
    const decoder = new FrameDecoder((each) => got.push(each));
    for (const byte of joined([frameOf(message), frameOf(message)])) decoder.push(new Uint8Array([byte]));
    expect(got.map(plain)).toEqual([plain(message), plain(message)]);
  });

  test("does not copy a frame that lies whole and aligned in a piece", () => {
    const piece = frameOf({ header: 1, attachments: [new Uint8Array(50_000)] });
    const got: Message[] = [];
    new FrameDecoder((message) => got.push(message)).push(piece);
    expect(got[0]!.attachments[0]!.buffer).toBe(piece.buffer);
  });

  test("takes no memory for what a frame only announces", () => {
    const decoder = new FrameDecoder(() => {});
    const prefix = new Uint8Array(8);
    new DataView(prefix.buffer).setUint32(0, defaultFrameLimits.maxFrameBytes, true);
    decoder.push(prefix);
    expect(decoder.target().byteLength).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  test("gathers a frame that is larger than its first room", () => {
    const bytes = new Uint8Array(20_000_003).map((_, index) => index % 251);
    const frame = frameOf({ header: "large", attachments: [bytes] });
    const got: Message[] = [];
    const decoder = new FrameDecoder((message) => got.push(message));
    for (let at = 0; at < frame.byteLength; at += 1_000_000) decoder.push(frame.slice(at, at + 1_000_000));
    expect(got).toHaveLength(1);
    expect(Buffer.compare(got[0]!.attachments[0]!, bytes)).toBe(0);
  });

  test("refuses a frame over the limit as soon as its size is known", () => {
    const limits = { ...defaultFrameLimits, maxFrameBytes: 1024 };
    const small = frameOf({ header: 1, attachments: [new Uint8Array(900)] });
    const large = frameOf({ header: 1, attachments: [new Uint8Array(1100)] });
    expect(codeOf(() => new FrameDecoder(() => {}, limits).push(small))).toBe("nothing thrown");
    expect(codeOf(() => new FrameDecoder(() => {}, limits).push(large.slice(0, 8)))).toBe(
      "PAYLOAD_TOO_LARGE",
    );
  });

  test("meets garbage with a DawnletError or silence, never with anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.boolean(), (garbage, plausible) => {
        const bytes = new Uint8Array(garbage);
        // Half of the time with a prefix that fits, so that what is behind it is read.
        if (plausible && bytes.byteLength >= 16) {
          const view = new DataView(bytes.buffer);
          view.setUint32(0, bytes.byteLength - (bytes.byteLength % 8), true);
          view.setUint32(4, bytes[9]! % (bytes.byteLength - 8), true);
        }
        const code = codeOf(() => new FrameDecoder(() => {}).push(bytes));
        expect(["INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE", "nothing thrown"]).toContain(code);
      }),
      { numRuns: 1000 },
    );
  });
});
