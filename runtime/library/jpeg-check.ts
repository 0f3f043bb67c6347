/**
 * A look at a JPEG before it is decoded: the decoder allocates what the header states and goes through all
 * blocks once a scan, so sizes, scans and the amount of data are checked here. Pixels are not looked at.
 * https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B
 */
import { DawnletError } from "../../kernels/errors.ts";

export interface CheckedJpeg {
  readonly width: number;
  readonly height: number;
  /** False where the three components are red, green and blue themselves, as some editors write them. */
  readonly isYcc: boolean;
  /** Pixels with those that fill up the last blocks: what the decoder allocates goes by them. */
  readonly paddedPixels: number;
}

interface Frame extends CheckedJpeg {
  readonly blocks: number;
}

/** Progressive files have about ten; each can make the decoder visit every block with hardly any data. */
const maxScans = 100;

/** @throws DawnletError INVALID_ARGUMENT for what cannot be decoded; PAYLOAD_TOO_LARGE for more than `maxPixels`. */
export function checkJpeg(file: Uint8Array, maxPixels: number): CheckedJpeg {
  if (file[0] !== 0xff || file[1] !== 0xd8) throw failure("it does not begin like one");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let frame: Frame | undefined;
  let adobeTransform: number | undefined;
  let scans = 0;
  let dataBytes = 0;
  for (let at = 2; ; ) {
    const { marker, start } = nextMarker(file, at);
    if (marker === endOfImage) break;
    if (isAlone(marker)) {
      at = start;
      continue;
    }
    const end = start + (start + 2 > file.byteLength ? Number.POSITIVE_INFINITY : view.getUint16(start));
    if (end > file.byteLength || end < start + 2) throw failure("it is cut off");
    const segment = file.subarray(start + 2, end);
    at = end;
    if (isFrame(marker)) {
      if (frame !== undefined) throw failure("it has more than one frame");
      frame = readFrame(marker, segment, maxPixels);
    } else if (marker === adobe && startsWith(segment, "Adobe")) {
      adobeTransform = segment[11];
    } else if (marker === startOfScan) {
      if (frame === undefined) throw failure("its pixels come before its size");
      if (++scans > maxScans) throw failure(`it has more than ${maxScans} scans`);
      at = endOfData(file, end);
      dataBytes += at - end;
    }
  }
  if (frame === undefined || scans === 0) throw failure("it has no pixels");
  if (dataBytes * 8 < frame.blocks)
    throw failure(`its ${dataBytes} bytes of data are too few for ${frame.width} x ${frame.height} pixels`);
  const { width, height, paddedPixels } = frame;
  return { width, height, paddedPixels, isYcc: frame.isYcc && adobeTransform !== 0 };
}

const endOfImage = 0xd9;
const startOfScan = 0xda;
const adobe = 0xee;

/** SOF0 to SOF15 but for three numbers among them that mean something else. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** Markers without a segment: restarts, and one for private use. */
function isAlone(marker: number): boolean {
  return (marker >= 0xd0 && marker <= 0xd8) || marker === 0x01;
}

function nextMarker(file: Uint8Array, from: number): { marker: number; start: number } {
  let at = from;
  if (file[at] !== 0xff)
    throw failure(at < file.byteLength ? `there is no marker at ${at}` : "it is cut off");
  // A marker may have any number of these before it.
  while (file[at] === 0xff) at++;
  const marker = file[at];
  if (marker === undefined) throw failure("it is cut off");
  return { marker, start: at + 1 };
}

/** Where the next marker that is no restart begins. */
function endOfData(file: Uint8Array, from: number): number {
  for (let at = file.indexOf(0xff, from); at >= 0; at = file.indexOf(0xff, at + 2)) {
    const next = file[at + 1];
    // A stuffed zero is data; of several 0xff in a row the last one begins the marker.
    if (next === 0xff) at--;
    else if (next !== undefined && next !== 0x00 && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
  throw failure("it is cut off");
}

function readFrame(marker: number, segment: Uint8Array, maxPixels: number): Frame {
  if (marker > 0xc2) throw failure("it is lossless or arithmetically coded: baseline or progressive is read");
  const [bits, highHeight = 0, lowHeight = 0, highWidth = 0, lowWidth = 0, count = 0] = segment;
  if (bits !== 8) throw failure(`it has ${bits} bits a sample: expected 8`);
  const height = (highHeight << 8) | lowHeight;
  const width = (highWidth << 8) | lowWidth;
  if (width === 0 || height === 0) throw failure("it has no pixels");
  if (width * height > maxPixels) {
    throw new DawnletError(
      "PAYLOAD_TOO_LARGE",
      `Cannot read the JPEG as its ${width} x ${height} pixels exceed the maximum of ${maxPixels}`,
    );
  }
  if (segment.byteLength !== 6 + 3 * count || (count !== 1 && count !== 3 && count !== 4))
    throw failure(`it has ${count} components: expected 1, 3 or 4`);
  const components = Array.from({ length: count }, (_, index) => {
    const [id = 0, sampling = 0] = segment.subarray(6 + 3 * index);
    return { id, across: sampling >> 4, down: sampling & 15 };
  });
  if (components.some(({ across, down }) => across < 1 || across > 4 || down < 1 || down > 4))
    throw failure("its sampling factors are not from 1 to 4");
  const isYcc = count !== 3 || String.fromCharCode(...components.map(({ id }) => id)) !== "RGB";
  return { width, height, isYcc, ...blocksOf(width, height, components) };
}

function blocksOf(
  width: number,
  height: number,
  components: readonly { readonly across: number; readonly down: number }[],
): Pick<Frame, "blocks" | "paddedPixels"> {
  const across = Math.max(...components.map((component) => component.across));
  const down = Math.max(...components.map((component) => component.down));
  let blocks = 0;
  for (const component of components) {
    blocks +=
      Math.ceil((Math.ceil(width / 8) * component.across) / across) *
      Math.ceil((Math.ceil(height / 8) * component.down) / down);
  }
  const [unitWidth, unitHeight] = [8 * across, 8 * down];
  const units = Math.ceil(width / unitWidth) * Math.ceil(height / unitHeight);
  return { blocks, paddedPixels: units * unitWidth * unitHeight };
}

function startsWith(segment: Uint8Array, text: string): boolean {
  return String.fromCharCode(...segment.subarray(0, text.length)) === text;
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot read the JPEG as ${what}`);
}
