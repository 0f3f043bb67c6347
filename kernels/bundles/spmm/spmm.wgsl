// product[rows, n] = sparse[rows, k] * dense[k, n], the sparse matrix in compressed rows: the entries of
// row r are those from rowOffsets[r] to before rowOffsets[r + 1]. Neighbouring threads take neighbouring
// columns of the same row, so they read the same entry and adjacent words of the dense matrix.

struct Shape {
  rows: u32,
  nonzeros: u32,
  k: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> rowOffsets: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> dense: array<f32>;
@group(0) @binding(5) var<storage, read_write> product: array<f32>;

@compute @workgroup_size(32, 4)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.y;
  let column = id.x;
  if (row >= shape.rows || column >= shape.n) {
    return;
  }
  // Offsets and columns come from the caller: none may lead outside.
  let end = min(rowOffsets[row + 1], shape.nonzeros);
  var sum = 0.0;
  for (var i = rowOffsets[row]; i < end; i++) {
    let k = columns[i];
    if (k < shape.k) {
      sum += values[i] * dense[k * shape.n + column];
    }
  }
  product[row * shape.n + column] = sum;
}
