/** sum[i] = a[i] + b[i], rounded to float32. */
export function vectorAdd(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value + b[i]!);
}
