/**
 * A look at a PNG before it is decoded: the decoder unpacks whatever it is given, so sizes are checked
 * here. Chunks that do not change pixels are left out: colour profiles and texts can hold bombs of their own.
 */
import { DawnletError } from "../../kernels/errors.ts";

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const essentialChunks: ReadonlySet<string> = new Set(["IHDR", "PLTE", "tRNS", "IDAT", "IEND"]);
/** Samples a pixel by colour type. */
const samplesByColourType: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

export interface CheckedPng {
  readonly width: number;
  readonly height: number;
  /** The file with its essential chunks only. Their checksums are not checked yet. */
  readonly essence: Uint8Array;
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** With length, type and checksum. */
  readonly whole: Uint8Array;
}

/** @throws DawnletError INVALID_ARGUMENT for broken files; PAYLOAD_TOO_LARGE for more pixels than the maximum. */
export async function checkPng(file: Uint8Array, maxPixels: number): Promise<CheckedPng> {
  const chunks = splitChunks(file);
  const header = chunks[0];
  if (header?.type !== "IHDR" || header.data.byteLength !== 13)
    throw failure("it does not begin with its header");
  const view = new DataView(header.data.buffer, header.data.byteOffset, header.data.byteLength);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  if (width === 0 || height === 0) throw failure("it has no pixels");
  if (width * height > maxPixels) {
    throw new DawnletError(
      "PAYLOAD_TOO_LARGE",
      `Cannot read the PNG as its ${width} x ${height} pixels exceed the maximum of ${maxPixels}`,
    );
  }
  const bits = view.getUint8(8) * (samplesByColourType[view.getUint8(9)] ?? 0);
  const isInterlaced = view.getUint8(12) === 1;
  if (isInterlaced && bits < 8) throw failure("it is interlaced with less than 8 bits a pixel");
  await checkPixels(
    chunks,
    isInterlaced ? interlacedBytes(width, height, bits) : rowBytes(width, bits) * height,
  );
  return { width, height, essence: joinChunks(chunks) };
}

function splitChunks(file: Uint8Array): Chunk[] {
  if (signature.some((byte, i) => file[i] !== byte)) throw failure("it does not begin like one");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const chunks: Chunk[] = [];
  for (let at = signature.length; ; ) {
    const length = at + 12 > file.byteLength ? Number.POSITIVE_INFINITY : view.getUint32(at);
    const end = at + 12 + length;
    if (end > file.byteLength) throw failure("it is cut off");
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    const chunk = { type, data: file.subarray(at + 8, end - 4), whole: file.subarray(at, end) };
    if (essentialChunks.has(type)) chunks.push(chunk);
    if (type === "IEND") return chunks;
    at = end;
  }
}

/** Filter byte and samples of a row. */
function rowBytes(width: number, bits: number): number {
  return 1 + Math.ceil((width * bits) / 8);
}

/** The seven passes of Adam7: https://www.w3.org/TR/png/#8InterlaceMethods */
function interlacedBytes(width: number, height: number, bits: number): number {
  const passes = [
    [0, 8, 0, 8],
    [4, 8, 0, 8],
    [0, 4, 4, 8],
    [2, 4, 0, 4],
    [0, 2, 2, 4],
    [1, 2, 0, 2],
    [0, 1, 1, 2],
  ] as const;
  let total = 0;
  for (const [left, stepX, top, stepY] of passes) {
    const columns = Math.ceil((width - left) / stepX);
    const rows = Math.ceil((height - top) / stepY);
    if (columns > 0 && rows > 0) total += rowBytes(columns, bits) * rows;
  }
  return total;
}

/** Unpacks once, keeping nothing, to see that there are exactly the bytes that the header promises. */
async function checkPixels(chunks: readonly Chunk[], expected: number): Promise<void> {
  const packed = new Blob(
    chunks.filter(({ type }) => type === "IDAT").map(({ data }) => new Uint8Array(data)),
  );
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let total = 0;
  while (total <= expected) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw failure("its pixels are not packed as they should be", cause);
    });
    if (done) break;
    total += value.byteLength;
  }
  if (total === expected) return;
  // The excess is of no interest, and neither is whether the source minds.
  reader.cancel().catch(() => {});
  throw failure(
    `its pixels unpack to ${total > expected ? "more" : "less"} than the ${expected} bytes of its size`,
  );
}

function joinChunks(chunks: readonly Chunk[]): Uint8Array {
  const total = chunks.reduce((sum, { whole }) => sum + whole.byteLength, signature.length);
  const file = new Uint8Array(total);
  file.set(signature);
  let offset = signature.length;
  for (const { whole } of chunks) {
    file.set(whole, offset);
    offset += whole.byteLength;
  }
  return file;
}

function failure(what: string, cause?: unknown): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot read the PNG as ${what}`, { cause });
}
