/** Jacobi iterations for matrix[n, n] * x = right, from zero, in float64. */
export function jacobi(matrix: Float32Array, right: Float32Array, iterations: number): Float64Array {
  const n = right.length;
  let x = new Float64Array(n);
  for (let iteration = 0; iteration < iterations; iteration++) {
    const next = new Float64Array(n);
    for (let row = 0; row < n; row++) {
      let sum = 0;
      for (let column = 0; column < n; column++) {
        if (column !== row) sum += matrix[row * n + column]! * x[column]!;
      }
      next[row] = (right[row]! - sum) / matrix[row * n + row]!;
    }
    x = next;
  }
  return x;
}
