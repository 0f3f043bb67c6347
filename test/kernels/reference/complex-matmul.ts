/** a[m, k] * b[k, n] over complex numbers, stored as pairs of real and imaginary part, in float64. */
export function complexMatmul(
  a: Float32Array,
  b: Float32Array,
  m: number,
  k: number,
  n: number,
): Float64Array {
  const c = new Float64Array(m * n * 2);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      const target = 2 * (row * n + column);
      for (let i = 0; i < k; i++) {
        const [realA, imaginaryA] = a.subarray(2 * (row * k + i));
        const [realB, imaginaryB] = b.subarray(2 * (i * n + column));
        c[target]! += realA! * realB! - imaginaryA! * imaginaryB!;
        c[target + 1]! += realA! * imaginaryB! + imaginaryA! * realB!;
      }
    }
  }
  return c;
}
