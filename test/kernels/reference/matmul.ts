/** a[m, k] * b[k, n], row-major, in float64. */
export function matmul(a: Float32Array, b: Float32Array, m: number, k: number, n: number): Float64Array {
  const c = new Float64Array(m * n);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      for (let i = 0; i < k; i++) c[row * n + column]! += a[row * k + i]! * b[i * n + column]!;
    }
  }
  return c;
}
