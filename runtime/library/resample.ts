/**
 * Sound at another sample rate: every new sample is a windowed sinc over the old ones around it, as wide as the
 * lower of the two rates asks for, so that what is too high for the new rate goes and does not fold back.
 * Smith, "Digital Audio Resampling": https://ccrma.stanford.edu/~jos/resample/
 */
import { DawnletError } from "../../kernels/errors.ts";

/** The kernel's zeros on each side: its stopband lies about 70 dB down. */
const zeros = 16;
/** Of the kernel's table between two zeros; between its values lines are drawn. */
const resolution = 512;
/** The window is Kaiser's. */
const beta = 7;
/** Part of the lower rate's band that is kept: the slope needs some room. */
const kept = 0.92;

/**
 * `samples` of a rate of `from` at a rate of `to`; the first sample stays in its place.
 * @throws DawnletError INVALID_ARGUMENT for rates that are none, and more than 2 ** 28 samples.
 */
export function resample(samples: Float32Array, from: number, to: number): Float32Array<ArrayBuffer> {
  if (!(from > 0 && to > 0 && Number.isFinite(from) && Number.isFinite(to)))
    throw failure(`its rates are ${from} and ${to}`);
  const length = Math.ceil((samples.length * to) / from);
  if (length > 2 ** 28) throw failure(`it would have ${length} samples: at most ${2 ** 28}`);
  if (from === to) return new Float32Array(samples);
  // Zeros of the kernel by old sample.
  const density = Math.min(1, to / from) * kept;
  const reach = zeros / density;
  const result = new Float32Array(length);
  for (let index = 0; index < length; index++) {
    const center = (index * from) / to;
    const last = Math.min(samples.length - 1, Math.floor(center + reach));
    let sum = 0;
    let total = 0;
    for (let at = Math.max(0, Math.ceil(center - reach)); at <= last; at++) {
      const weight = kernelAt(Math.abs(at - center) * density);
      sum += samples[at]! * weight;
      total += weight;
    }
    // At the ends a part of the kernel hangs over: its weights are made to add up to 1 there too.
    result[index] = sum / total;
  }
  return result;
}

/** @param x in zeros of the kernel. */
function kernelAt(x: number): number {
  const place = x * resolution;
  const index = Math.floor(place);
  const low = kernel[index] ?? 0;
  return low + (place - index) * ((kernel[index + 1] ?? 0) - low);
}

/** From the middle to the last zero. */
const kernel = Float64Array.from({ length: zeros * resolution + 1 }, (_, index) => {
  const x = index / resolution;
  const window = bessel(beta * Math.sqrt(1 - (x / zeros) ** 2)) / bessel(beta);
  return x === 0 ? 1 : (Math.sin(Math.PI * x) / (Math.PI * x)) * window;
});

/** The modified Bessel function of order 0, by its series. */
function bessel(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function failure(what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot resample the sound as ${what}`);
}
