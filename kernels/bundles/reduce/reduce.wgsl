// One level of a tree of sums: each workgroup adds 2048 values to one partial sum. Three levels take
// up to 2048^3 values. Sums of a tree lose far less to rounding than one running sum.

const workgroupSize = 256u;
const valuesEach = 8u;

struct Level {
  length: u32,
}

@group(0) @binding(0) var<uniform> level: Level;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

var<workgroup> sums: array<f32, workgroupSize>;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let group = workgroup.y * groups.x + workgroup.x;
  let first = group * workgroupSize * valuesEach + local;
  var sum = 0.0;
  for (var i = 0u; i < valuesEach; i++) {
    let position = first + i * workgroupSize;
    if (position < level.length) {
      sum += values[position];
    }
  }
  sums[local] = sum;
  for (var half = workgroupSize / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) {
      sums[local] += sums[local + half];
    }
  }
  if (local == 0 && group < arrayLength(&partials)) {
    partials[group] = sums[0];
  }
}
