/** WAV files to samples from -1 to 1 and back, by wavefile behind checks of our own. Rates are resample.ts. */
import * as wavefile from "wavefile/dist/wavefile.js";
import { DawnletError } from "../../kernels/errors.ts";
import { checkWav } from "./wav-check.ts";

/** See wavefile.d.ts. */
const { WaveFile } = wavefile.default ?? wavefile;

export interface Audio {
  /** Samples a second. */
  readonly sampleRate: number;
  /** By channel, all of one length, from -1 to 1. */
  readonly samples: readonly Float32Array<ArrayBuffer>[];
}

export interface DecodedAudio extends Audio {
  readonly channels: number;
}

/**
 * Reads PCM of 8 to 32 bits, floats, A-law and mu-law. Tags and cue points are left out.
 * @throws DawnletError INVALID_ARGUMENT for what is no WAV file that can be decoded.
 */
export function decodeWav(file: Uint8Array | ArrayBuffer): DecodedAudio {
  const { sampleRate, channels, encoding, essence } = checkWav(
    file instanceof Uint8Array ? file : new Uint8Array(file),
  );
  const wave = new WaveFile(essence);
  if (encoding === "a-law") wave.fromALaw();
  if (encoding === "mu-law") wave.fromMuLaw();
  const bits = encoding === "pcm" ? essence[34]! : 16;
  // 8 bits are counted from 0, more around 0.
  const zero = bits === 8 ? 128 : 0;
  const factor = encoding === "float" ? 1 : 2 ** (1 - bits);
  const interleaved = wave.getSamples(true, Float64Array);
  const samples = Array.from({ length: channels }, (_, channel) => {
    const own = new Float32Array(interleaved.length / channels);
    for (let i = 0; i < own.length; i++) own[i] = (interleaved[i * channels + channel]! - zero) * factor;
    return own;
  });
  return { sampleRate, channels, samples };
}

export interface EncodeWavOptions {
  /** Bits a sample: 16 unless stated; 32 are floats, which keep what lies beyond -1 and 1. */
  readonly bits?: 16 | 24 | 32;
}

/**
 * A WAV file of these samples.
 * @throws DawnletError INVALID_ARGUMENT where there are no channels, or they differ in length.
 */
export function encodeWav(
  { sampleRate, samples }: Audio,
  { bits = 16 }: EncodeWavOptions = {},
): Uint8Array<ArrayBuffer> {
  const channels = samples.length;
  const length = samples[0]?.length ?? 0;
  if (channels < 1 || channels > 64) throw failure(`it has ${channels} channels: from 1 to 64`);
  if (samples.some((one) => one.length !== length)) throw failure("its channels differ in length");
  if (!Number.isInteger(sampleRate) || sampleRate < 1 || sampleRate > 0xffff_ffff)
    throw failure(`its sample rate is ${sampleRate}: expected a whole number from 1 on`);
  const top = 2 ** (bits - 1);
  const interleaved = new Float64Array(length * channels);
  for (const [channel, own] of samples.entries()) {
    for (let i = 0; i < length; i++) {
      const value = own[i]!;
      interleaved[i * channels + channel] =
        bits === 32 ? value : Math.min(top - 1, Math.max(-top, Math.round(value * top))) || 0;
    }
  }
  const wave = new WaveFile();
  wave.fromScratch(channels, sampleRate, bits === 32 ? "32f" : String(bits), interleaved);
  return new Uint8Array(wave.toBuffer());
}

/** The mean of all channels. No channels give no samples. */
export function mixToMono(samples: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const length = samples[0]?.length ?? 0;
  if (samples.some((one) => one.length !== length)) throw failure("its channels differ in length");
  return Float32Array.from({ length }, (_, index) => {
    let sum = 0;
    for (const channel of samples) sum += channel[index]!;
    return sum / samples.length;
  });
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use the audio as ${what}`);
}
