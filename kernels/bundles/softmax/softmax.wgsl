// probabilities[row, i] = exp(x[row, i] - max) / sum of exp(x[row, j] - max), a workgroup for each row.
// Without taking away the largest value, exp overflows for logits above 88.

const workgroupSize = 256u;
const lowest = -3.4028234e38;

struct Shape {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> probabilities: array<f32>;

var<workgroup> shared_values: array<f32, workgroupSize>;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = workgroup.y * groups.x + workgroup.x;
  // The same for the whole workgroup, so barriers below stay uniform.
  if (row >= shape.rows) {
    return;
  }
  let start = row * shape.columns;

  var largest = lowest;
  for (var i = local; i < shape.columns; i += workgroupSize) {
    largest = max(largest, logits[start + i]);
  }
  shared_values[local] = largest;
  for (var half = workgroupSize / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) {
      shared_values[local] = max(shared_values[local], shared_values[local + half]);
    }
  }
  workgroupBarrier();
  largest = shared_values[0];
  workgroupBarrier();

  var sum = 0.0;
  for (var i = local; i < shape.columns; i += workgroupSize) {
    sum += exp(logits[start + i] - largest);
  }
  shared_values[local] = sum;
  for (var half = workgroupSize / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) {
      shared_values[local] += shared_values[local + half];
    }
  }
  workgroupBarrier();
  sum = shared_values[0];

  for (var i = local; i < shape.columns; i += workgroupSize) {
    probabilities[start + i] = exp(logits[start + i] - largest) / sum;
  }
}
