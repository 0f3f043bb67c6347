// c[m, n] = a[m, k] * b[k, n] over complex numbers, each a pair of real and imaginary part.
// Tiled like a real product: one tile of a and one of b at a time in workgroup memory.

const tile = 16u;

struct Shape {
  m: u32,
  k: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> a: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> c: array<vec2<f32>>;

var<workgroup> tileA: array<array<vec2<f32>, tile>, tile>;
var<workgroup> tileB: array<array<vec2<f32>, tile>, tile>;

fn multiply(x: vec2<f32>, y: vec2<f32>) -> vec2<f32> {
  return vec2(x.x * y.x - x.y * y.y, x.x * y.y + x.y * y.x);
}

@compute @workgroup_size(tile, tile)
fn main(
  @builtin(global_invocation_id) global: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
) {
  let row = global.y;
  let column = global.x;
  var sum = vec2(0.0, 0.0);
  for (var start = 0u; start < shape.k; start += tile) {
    let kOfA = start + local.x;
    let kOfB = start + local.y;
    // Beyond the edges the tiles hold zeros, which add nothing.
    tileA[local.y][local.x] = vec2(0.0, 0.0);
    tileB[local.y][local.x] = vec2(0.0, 0.0);
    if (row < shape.m && kOfA < shape.k) {
      tileA[local.y][local.x] = a[row * shape.k + kOfA];
    }
    if (kOfB < shape.k && column < shape.n) {
      tileB[local.y][local.x] = b[kOfB * shape.n + column];
    }
    workgroupBarrier();
    for (var i = 0u; i < tile; i++) {
      sum += multiply(tileA[local.y][i], tileB[i][local.x]);
    }
    workgroupBarrier();
  }
  if (row < shape.m && column < shape.n) {
    c[row * shape.n + column] = sum;
  }
}
