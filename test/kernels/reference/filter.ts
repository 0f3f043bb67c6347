/** Convolutions of RGBA images; pixels outside repeat the edge, alpha stays. */

const gaussian = [1, 4, 6, 4, 1].flatMap((y) => [1, 4, 6, 4, 1].map((x) => (x * y) / 256));

const sharpen = [
  [0, 0, 0, 0, 0],
  [0, 0, -1, 0, 0],
  [0, -1, 5, -1, 0],
  [0, 0, -1, 0, 0],
  [0, 0, 0, 0, 0],
].flat();

const laplacianOfGaussian = [
  [0, 0, -1, 0, 0],
  [0, -1, -2, -1, 0],
  [-1, -2, 16, -2, -1],
  [0, -1, -2, -1, 0],
  [0, 0, -1, 0, 0],
].flat();

/** By `kind`: blur, sharpen, edges. */
export const filterKernels = [gaussian, sharpen, laplacianOfGaussian];

/** @param image [height, width, 4] */
export function filter(image: Uint8Array, width: number, height: number, kind: number): Uint8Array {
  const kernel = filterKernels[kind]!;
  const filtered = new Uint8Array(image.length);
  const clamp = (value: number, most: number) => Math.min(Math.max(value, 0), most);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = 4 * (y * width + x);
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        kernel.forEach((weight, tap) => {
          const nearX = clamp(x + (tap % 5) - 2, width - 1);
          const nearY = clamp(y + Math.floor(tap / 5) - 2, height - 1);
          sum += weight * image[4 * (nearY * width + nearX) + channel]!;
        });
        filtered[pixel + channel] = clamp(Math.round(sum), 255);
      }
      filtered[pixel + 3] = image[pixel + 3]!;
    }
  }
  return filtered;
}
