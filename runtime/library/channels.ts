/** Pixels of 1, 3 or 4 bytes (grey, RGB, RGBA) from one of these to another. Alpha is dropped, never blended. */

export type Channels = 1 | 3 | 4;

/** @returns `data` itself where nothing changes. */
export function convertChannels(
  data: Uint8Array<ArrayBuffer>,
  from: Channels,
  to: Channels,
): Uint8Array<ArrayBuffer> {
  if (from === to) return data;
  const pixels = data.byteLength / from;
  const result = new Uint8Array(pixels * to);
  // A grey pixel's three colours are the same byte.
  const [green, blue] = from === 1 ? [0, 0] : [1, 2];
  for (let pixel = 0; pixel < pixels; pixel++) {
    const source = pixel * from;
    const target = pixel * to;
    if (to === 1) {
      result[target] = luma(data[source]!, data[source + 1]!, data[source + 2]!);
      continue;
    }
    result[target] = data[source]!;
    result[target + 1] = data[source + green]!;
    result[target + 2] = data[source + blue]!;
    if (to === 4) result[target + 3] = 255;
  }
  return result;
}

/** Rec. 601; a grey pixel keeps its value exactly. */
function luma(red: number, green: number, blue: number): number {
  return Math.round((red * 299 + green * 587 + blue * 114) / 1000);
}
