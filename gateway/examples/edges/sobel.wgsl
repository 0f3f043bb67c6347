// Edges of a picture by Sobel's operator: how fast brightness changes, across and down.

@group(0) @binding(0) var<uniform> size: vec2<u32>;
// RGBA, a byte a channel.
@group(0) @binding(1) var<storage, read> picture: array<u32>;
@group(0) @binding(2) var<storage, read_write> edges: array<u32>;

// Beyond its border the picture goes on as it is there.
fn brightness(x: i32, y: i32) -> f32 {
  let place = clamp(vec2(x, y), vec2(0, 0), vec2<i32>(size) - 1);
  let color = unpack4x8unorm(picture[u32(place.y) * size.x + u32(place.x)]);
  return dot(color.rgb, vec3(0.299, 0.587, 0.114));
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= size.x || id.y >= size.y) {
    return;
  }
  var slope = vec2(0.0, 0.0);
  for (var i = -1; i <= 1; i++) {
    // The middle of the three counts twice.
    let weight = f32(2 - abs(i));
    let x = i32(id.x);
    let y = i32(id.y);
    slope.x += weight * (brightness(x + 1, y + i) - brightness(x - 1, y + i));
    slope.y += weight * (brightness(x + i, y + 1) - brightness(x + i, y - 1));
  }
  let strength = min(length(slope), 1.0);
  edges[id.y * size.x + id.x] = pack4x8unorm(vec4(vec3(strength), 1.0));
}
