/** Node's own modules, which handlers do not have, and what the web's standards have in their place. */

const advice: Readonly<Record<string, string>> = {
  assert: "throw an Error",
  async_hooks: "pass what is needed as an argument",
  buffer: "use Uint8Array, TextEncoder and Blob",
  child_process: "a handler starts no processes",
  cluster: "a handler starts no processes: raise limits.instances",
  console: "use the global console",
  constants: "a handler has no file system",
  crypto: "use the global crypto (crypto.subtle, crypto.randomUUID)",
  dgram: "use fetch()",
  diagnostics_channel: "use console.log()",
  dns: "use fetch(), which resolves names",
  domain: "use try and catch",
  events: "use EventTarget",
  fs: "import the file, or read it with ctx.file(path)",
  http: "use fetch()",
  http2: "use fetch()",
  https: "use fetch()",
  inspector: "use console.log()",
  module: "use import",
  net: "use fetch()",
  os: "a handler knows nothing of its machine",
  path: "use URL, or strings",
  perf_hooks: "use the global performance",
  process: "use env, the second argument of fetch()",
  punycode: "use URL",
  querystring: "use URLSearchParams",
  readline: "use ReadableStream",
  repl: "a handler has no terminal",
  sqlite: "keep state outside, and reach it with fetch()",
  stream: "use ReadableStream, WritableStream and TransformStream",
  string_decoder: "use TextDecoder",
  sys: "use console.log()",
  test: "test handlers outside, by calling fetch()",
  timers: "use the global setTimeout()",
  tls: "use fetch()",
  trace_events: "use performance.mark()",
  tty: "a handler has no terminal",
  url: "use the global URL and URLSearchParams",
  util: "use structuredClone(), TextEncoder and console.log()",
  v8: "a handler knows nothing of its engine",
  vm: "import the code",
  wasi: "use WebAssembly",
  worker_threads: "a handler starts no threads: raise limits.instances",
  zlib: "use CompressionStream and DecompressionStream",
};

/** `fs`, `fs/promises`, `node:fs`, and whatever else begins with `node:`. */
export function isNodeBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || Object.hasOwn(advice, moduleOf(specifier));
}

/** What to do instead of importing it. */
export function insteadOf(specifier: string): string {
  const name = moduleOf(specifier);
  return Object.hasOwn(advice, name) ? advice[name]! : "use the web's standard interfaces";
}

function moduleOf(specifier: string): string {
  return specifier.replace(/^node:/, "").split("/")[0]!;
}
