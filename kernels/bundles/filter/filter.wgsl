// Convolution of an RGBA image with one of several 5 by 5 kernels. Pixels outside the image repeat its
// edge; alpha stays as it is. A workgroup reads its 16 by 16 pixels and a margin of 2 into workgroup
// memory once, instead of 25 times from storage.

const tile = 16u;
const radius = 2u;
const side = tile + 2 * radius;
const taps = 2 * radius + 1;

struct Uniforms {
  width: u32,
  height: u32,
  kind: u32,
}

// A pixel is one word: red in the lowest byte.
@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> kernels: array<f32>;
@group(0) @binding(2) var<storage, read> image: array<u32>;
@group(0) @binding(3) var<storage, read_write> filtered: array<u32>;

var<workgroup> pixels: array<vec4<f32>, side * side>;

@compute @workgroup_size(tile, tile)
fn main(
  @builtin(global_invocation_id) global: vec3<u32>,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let last = vec2<i32>(i32(uniforms.width) - 1, i32(uniforms.height) - 1);
  let corner = vec2<i32>(workgroup.xy * tile) - i32(radius);
  for (var i = index; i < side * side; i += tile * tile) {
    let position = clamp(corner + vec2<i32>(i32(i % side), i32(i / side)), vec2(0, 0), last);
    pixels[i] = unpack4x8unorm(image[u32(position.y) * uniforms.width + u32(position.x)]);
  }
  workgroupBarrier();
  if (global.x >= uniforms.width || global.y >= uniforms.height) {
    return;
  }

  var sum = vec3(0.0, 0.0, 0.0);
  for (var y = 0u; y < taps; y++) {
    for (var x = 0u; x < taps; x++) {
      let weight = kernels[(uniforms.kind * taps + y) * taps + x];
      sum += weight * pixels[(local.y + y) * side + local.x + x].rgb;
    }
  }
  let alpha = pixels[(local.y + radius) * side + local.x + radius].a;
  filtered[global.y * uniforms.width + global.x] = pack4x8unorm(vec4(sum, alpha));
}
