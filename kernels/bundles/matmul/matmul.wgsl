// c[m, n] = a[m, k] * b[k, n], row-major. A workgroup computes a tile of c: it walks along k and keeps
// one tile of a and one of b in workgroup memory, so each element is read from storage once a tile.

override tile: u32 = 16;

struct Shape {
  m: u32,
  k: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

var<workgroup> tileA: array<f32, tile * tile>;
var<workgroup> tileB: array<f32, tile * tile>;

@compute @workgroup_size(tile, tile)
fn main(
  @builtin(global_invocation_id) global: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
) {
  let row = global.y;
  let column = global.x;
  let slot = local.y * tile + local.x;
  var sum = 0.0;
  for (var start = 0u; start < shape.k; start += tile) {
    let kOfA = start + local.x;
    let kOfB = start + local.y;
    // Beyond the edges the tiles hold zeros, which add nothing.
    tileA[slot] = 0.0;
    tileB[slot] = 0.0;
    if (row < shape.m && kOfA < shape.k) {
      tileA[slot] = a[row * shape.k + kOfA];
    }
    if (kOfB < shape.k && column < shape.n) {
      tileB[slot] = b[kOfB * shape.n + column];
    }
    workgroupBarrier();
    for (var i = 0u; i < tile; i++) {
      sum += tileA[local.y * tile + i] * tileB[i * tile + local.x];
    }
    workgroupBarrier();
  }
  if (row < shape.m && column < shape.n) {
    c[row * shape.n + column] = sum;
  }
}
