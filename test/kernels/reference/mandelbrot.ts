/** The Mandelbrot set, four samples a pixel, in float64: colours as the example bundle defines them. */

export interface View {
  readonly width: number;
  readonly height: number;
  readonly centerX: number;
  readonly centerY: number;
  readonly scale: number;
  readonly iterations: number;
}

const escapeSquared = 65536;

/** Iterations until the point escapes, with a fraction; undefined for points that stay. */
function escapeTime(cx: number, cy: number, iterations: number): number | undefined {
  let x = 0;
  let y = 0;
  for (let i = 0; i < iterations; i++) {
    [x, y] = [x * x - y * y + cx, 2 * x * y + cy];
    const squared = x * x + y * y;
    if (squared > escapeSquared) return i + 1 - Math.log2(Math.log2(squared) / Math.log2(escapeSquared));
  }
  return undefined;
}

function colorOf(time: number | undefined): number[] {
  if (time === undefined) return [0.01, 0.01, 0.03];
  const phase = 0.55 * Math.sqrt(Math.max(time, 0)) + 0.1;
  const bases = [0.48, 0.47, 0.5];
  const amplitudes = [0.52, 0.45, 0.42];
  return [0.62, 0.52, 0.38].map((shift, channel) => {
    const wave = Math.cos(2 * Math.PI * (0.45 * phase + shift));
    return Math.min(Math.max(bases[channel]! + amplitudes[channel]! * wave, 0), 1);
  });
}

/** @returns bytes [height, width, 4] */
export function mandelbrot({ width, height, centerX, centerY, scale, iterations }: View): Uint8Array {
  const image = new Uint8Array(width * height * 4);
  const step = scale / width;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const color = [0, 0, 0];
      for (const [right, down] of [
        [0.25, 0.25],
        [0.75, 0.25],
        [0.25, 0.75],
        [0.75, 0.75],
      ] as const) {
        const cx = centerX + (column + right - width / 2) * step;
        const cy = centerY - (row + down - height / 2) * step;
        colorOf(escapeTime(cx, cy, iterations)).forEach((value, channel) => {
          color[channel]! += value / 4;
        });
      }
      const pixel = 4 * (row * width + column);
      image.set([...color.map((value) => Math.round(value * 255)), 255], pixel);
    }
  }
  return image;
}
