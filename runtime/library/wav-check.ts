/**
 * A look at a WAV file before it is decoded: finds its format and its samples, and leaves out what else it
 * holds. The decoder trusts counts and sizes, so it is given a file that was written anew.
 */
import { DawnletError } from "../../kernels/errors.ts";

export interface CheckedWav {
  readonly sampleRate: number;
  readonly channels: number;
  readonly encoding: WavEncoding;
  /** The file with its format and samples only. */
  readonly essence: Uint8Array<ArrayBuffer>;
}

export type WavEncoding = "pcm" | "float" | "a-law" | "mu-law";

/** Numbers in the file; 0xfffe says that the real one comes later. */
const encodings: ReadonlyMap<number, WavEncoding> = new Map([
  [1, "pcm"],
  [3, "float"],
  [6, "a-law"],
  [7, "mu-law"],
]);
const bitsOf: Readonly<Record<WavEncoding, readonly number[]>> = {
  pcm: [8, 16, 24, 32],
  float: [32, 64],
  "a-law": [8],
  "mu-law": [8],
};
const extensible = 0xfffe;
const maxChannels = 64;
/** Written by programs that did not know yet how much would follow. */
const unknownLength = 0xffff_ffff;

/** @throws DawnletError INVALID_ARGUMENT for what is no WAV file that can be decoded. */
export function checkWav(file: Uint8Array): CheckedWav {
  if (nameAt(file, 0) !== "RIFF" || nameAt(file, 8) !== "WAVE") throw failure("it does not begin like one");
  const chunks = findChunks(file);
  const format = chunks.get("fmt ");
  const data = chunks.get("data");
  if (format === undefined || data === undefined) throw failure("it has no format or no samples");
  const { encoding, channels, sampleRate, bits } = readFormat(format);
  const frameBytes = (channels * bits) / 8;
  const samples = data.subarray(0, data.byteLength - (data.byteLength % frameBytes));
  return { sampleRate, channels, encoding, essence: write(encoding, channels, sampleRate, bits, samples) };
}

/** The first chunk of each name, up to the samples. */
function findChunks(file: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const chunks = new Map<string, Uint8Array>();
  for (let at = 12; at + 8 <= file.byteLength && !chunks.has("data"); ) {
    const name = nameAt(file, at);
    const stated = view.getUint32(at + 4, true);
    const left = file.byteLength - at - 8;
    const length = stated === unknownLength && name === "data" ? left : stated;
    if (length > left) throw failure("it is cut off");
    if (!chunks.has(name)) chunks.set(name, file.subarray(at + 8, at + 8 + length));
    // Chunks begin on even bytes.
    at += 8 + length + (length % 2);
  }
  return chunks;
}

function readFormat(chunk: Uint8Array) {
  if (chunk.byteLength < 16) throw failure("its format is cut off");
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const isExtensible = view.getUint16(0, true) === extensible && chunk.byteLength >= 26;
  const code = view.getUint16(isExtensible ? 24 : 0, true);
  const encoding = encodings.get(code);
  if (encoding === undefined)
    throw failure(`its encoding has the number ${code}: PCM, floats, A-law and mu-law are read`);
  const channels = view.getUint16(2, true);
  if (channels < 1 || channels > maxChannels)
    throw failure(`it has ${channels} channels: from 1 to ${maxChannels} are read`);
  const sampleRate = view.getUint32(4, true);
  if (sampleRate === 0) throw failure("its sample rate is 0");
  const bits = view.getUint16(14, true);
  if (!bitsOf[encoding].includes(bits))
    throw failure(`it has ${bits} bits a sample: ${encoding} has ${bitsOf[encoding].join(", ")}`);
  return { encoding, channels, sampleRate, bits };
}

function write(
  encoding: WavEncoding,
  channels: number,
  sampleRate: number,
  bits: number,
  samples: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(44 + samples.byteLength);
  const view = new DataView(file.buffer);
  const code = [...encodings].find(([, name]) => name === encoding)![0];
  const frameBytes = (channels * bits) / 8;
  file.set(new TextEncoder().encode("RIFF....WAVEfmt "));
  view.setUint32(4, file.byteLength - 8, true);
  view.setUint32(16, 16, true);
  view.setUint16(20, code, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, Math.min(sampleRate * frameBytes, 0xffff_ffff), true);
  view.setUint16(32, frameBytes, true);
  view.setUint16(34, bits, true);
  file.set(new TextEncoder().encode("data"), 36);
  view.setUint32(40, samples.byteLength, true);
  file.set(samples, 44);
  return file;
}

function nameAt(file: Uint8Array, at: number): string {
  return String.fromCharCode(...file.subarray(at, at + 4));
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot read the WAV file as ${what}`);
}
