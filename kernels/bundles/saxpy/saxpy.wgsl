// result[i] = a * x[i] + y[i]. Workgroups are spread over x and y, as one dimension ends at 65535.

const workgroupSize = 256u;

struct Uniforms {
  n: u32,
  a: f32,
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let i = id.y * groups.x * workgroupSize + id.x;
  if (i < uniforms.n) {
    result[i] = uniforms.a * x[i] + y[i];
  }
}
