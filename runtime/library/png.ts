/**
 * PNG files to 8-bit RGBA and back, by fast-png behind checks of our own. Every depth and kind of colour is
 * read; colour profiles and gamma are not applied.
 */
import { decode, encode } from "fast-png";
import { DawnletError } from "../../kernels/errors.ts";
import type { Channels } from "./channels.ts";
import { checkPng } from "./png-check.ts";
import { toRgba } from "./png-samples.ts";

export interface PngPixels {
  readonly width: number;
  readonly height: number;
  /** Four bytes a pixel, row by row. */
  readonly rgba: Uint8Array<ArrayBuffer>;
}

/**
 * @param maxPixels checked before anything of that size is allocated.
 * @throws DawnletError INVALID_ARGUMENT for what is no PNG that can be read; PAYLOAD_TOO_LARGE.
 */
export async function decodePng(file: Uint8Array, maxPixels: number): Promise<PngPixels> {
  const { width, height, essence } = await checkPng(file, maxPixels);
  try {
    return { width, height, rgba: toRgba(decode(essence, { checkCrc: true })) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the PNG: ${reason}`, { cause });
  }
}

/** @param data of 8 bits, `channels` a pixel, exactly as many as the size has. */
export function encodePngPixels(
  width: number,
  height: number,
  channels: Channels,
  data: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encode({ width, height, data, channels, depth: 8 }));
}
