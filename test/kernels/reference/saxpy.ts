/** result[i] = a * x[i] + y[i], rounded once to float32. */
export function saxpy(a: number, x: Float32Array, y: Float32Array): Float32Array {
  return x.map((value, i) => a * value + y[i]!);
}
