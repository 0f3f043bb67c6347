/** What an import of a file gives, by its extension: code, JSON, text or bytes. */
import type { Loader } from "esbuild";

const byExtension: ReadonlyMap<string, Loader> = new Map([
  ...[".ts", ".mts", ".cts"].map((extension) => [extension, "ts"] as const),
  ...[".js", ".mjs", ".cjs"].map((extension) => [extension, "js"] as const),
  [".tsx", "tsx"] as const,
  [".jsx", "jsx"] as const,
  [".json", "json"] as const,
  ...[".txt", ".html", ".css", ".md", ".svg", ".wgsl", ".csv", ".sql", ".glsl"].map(
    (extension) => [extension, "text"] as const,
  ),
  ...[".png", ".jpg", ".jpeg", ".wasm", ".npy", ".wav", ".bin", ".onnx"].map(
    (extension) => [extension, "binary"] as const,
  ),
]);

/** Bytes are written into the code as base64: larger files are better read when they are needed. */
export const largestImportedBytes = 4 * 1024 ** 2;

/** Undefined for files that cannot be imported. */
export function loaderOf(path: string): Loader | undefined {
  return byExtension.get(/\.[^./]*$/.exec(path)?.[0].toLowerCase() ?? "");
}

export function isCode(loader: Loader | undefined): boolean {
  return loader === "ts" || loader === "tsx" || loader === "js" || loader === "jsx";
}
