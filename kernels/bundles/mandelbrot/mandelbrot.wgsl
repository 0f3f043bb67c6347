// The Mandelbrot set as an RGBA image: four samples a pixel, coloured by a smooth count of iterations.

// Far beyond 2, so that the smooth count has no visible steps.
const escapeSquared = 65536.0;

struct View {
  width: u32,
  height: u32,
  iterations: u32,
  // Width of the picture in the complex plane.
  scale: f32,
  center: vec2<f32>,
}

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read_write> image: array<u32>;

// Iterations until z leaves the circle, with a fraction; negative for points that stay.
fn escapeTime(c: vec2<f32>) -> f32 {
  var z = vec2(0.0, 0.0);
  for (var i = 0u; i < view.iterations; i++) {
    z = vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c;
    let squared = dot(z, z);
    if (squared > escapeSquared) {
      return f32(i) + 1.0 - log2(log2(squared) / log2(escapeSquared));
    }
  }
  return -1.0;
}

// Three cosines out of step: cream, sky blue, night blue and amber in turns.
fn colorOf(time: f32) -> vec3<f32> {
  if (time < 0.0) {
    return vec3(0.01, 0.01, 0.03);
  }
  // Slower where counts are high: near the edge of the set they change fast.
  let phase = 0.55 * sqrt(max(time, 0.0)) + 0.1;
  let wave = cos(6.2831853 * (0.45 * phase + vec3(0.62, 0.52, 0.38)));
  return clamp(vec3(0.48, 0.47, 0.50) + vec3(0.52, 0.45, 0.42) * wave, vec3(0.0, 0.0, 0.0), vec3(1.0, 1.0, 1.0));
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= view.width || id.y >= view.height) {
    return;
  }
  let middle = 0.5 * vec2(f32(view.width), f32(view.height));
  let step = view.scale / f32(view.width);
  var color = vec3(0.0, 0.0, 0.0);
  for (var sample = 0u; sample < 4; sample++) {
    let within = vec2(0.25 + 0.5 * f32(sample % 2), 0.25 + 0.5 * f32(sample / 2));
    let offset = (vec2(f32(id.x), f32(id.y)) + within - middle) * step;
    // Rows go down, the imaginary axis goes up.
    color += 0.25 * colorOf(escapeTime(view.center + vec2(offset.x, -offset.y)));
  }
  image[id.y * view.width + id.x] = pack4x8unorm(vec4(color, 1.0));
}
