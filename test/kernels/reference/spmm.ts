/** A sparse matrix in compressed rows: the entries of row r are rowOffsets[r] to before rowOffsets[r + 1]. */
export interface SparseMatrix {
  readonly rowOffsets: Uint32Array;
  readonly columns: Uint32Array;
  readonly values: Float32Array;
}

/** sparse[rows, k] * dense[k, n], in float64. */
export function spmm(
  { rowOffsets, columns, values }: SparseMatrix,
  dense: Float32Array,
  n: number,
): Float64Array {
  const rows = rowOffsets.length - 1;
  const product = new Float64Array(rows * n);
  for (let row = 0; row < rows; row++) {
    for (let entry = rowOffsets[row]!; entry < rowOffsets[row + 1]!; entry++) {
      for (let column = 0; column < n; column++) {
        product[row * n + column]! += values[entry]! * dense[columns[entry]! * n + column]!;
      }
    }
  }
  return product;
}
