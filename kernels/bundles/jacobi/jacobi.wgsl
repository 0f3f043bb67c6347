// One Jacobi iteration for A x = b: next[i] = (b[i] - sum of A[i, j] * x[j] for j != i) / A[i, i].
// A workgroup for each row, which reads the row together and adds up in a tree.

const workgroupSize = 64u;

struct Uniforms {
  n: u32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> matrix: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> next: array<f32>;

var<workgroup> sums: array<f32, workgroupSize>;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = workgroup.x;
  let start = row * uniforms.n;
  var sum = 0.0;
  for (var column = local; column < uniforms.n; column += workgroupSize) {
    if (column != row) {
      sum += matrix[start + column] * x[column];
    }
  }
  sums[local] = sum;
  for (var half = workgroupSize / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) {
      sums[local] += sums[local + half];
    }
  }
  if (local == 0) {
    next[row] = (right[row] - sums[0]) / matrix[start + row];
  }
}
