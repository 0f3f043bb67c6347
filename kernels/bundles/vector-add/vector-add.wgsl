// sum[i] = a[i] + b[i]. Workgroups are spread over x and y, as one dimension ends at 65535.

const workgroupSize = 256u;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let i = id.y * groups.x * workgroupSize + id.x;
  if (i < arrayLength(&sum)) {
    sum[i] = a[i] + b[i];
  }
}
