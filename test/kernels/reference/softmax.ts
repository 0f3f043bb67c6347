/** Softmax of each row of logits[rows, columns], in float64. */
export function softmax(logits: Float32Array, rows: number, columns: number): Float64Array {
  const probabilities = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const values = Array.from(logits.subarray(row * columns, (row + 1) * columns));
    const largest = Math.max(...values);
    const exponentials = values.map((value) => Math.exp(value - largest));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    exponentials.forEach((value, column) => {
      probabilities[row * columns + column] = value / sum;
    });
  }
  return probabilities;
}
