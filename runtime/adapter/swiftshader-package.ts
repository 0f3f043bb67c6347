/**
 * SwiftShader out of the npm package `@sparticuz/chromium`, which carries it as a compressed archive.
 * Unpacked once for each version, into the user's cache folder.
 */

import type { AdapterHost } from "./candidates.ts";
import { untar } from "./tar.ts";

const packageName = "@sparticuz/chromium";
const icdName = "vk_swiftshader_icd.json";
const libraryName = "libvk_swiftshader.so";
const neededNames = [libraryName, "libvulkan.so.1"];

/** @returns a folder with the driver, its ICD file and a Vulkan loader, or why there is none. */
export async function swiftShaderFromPackage(
  host: AdapterHost,
): Promise<{ readonly folder: string } | { readonly missing: string }> {
  const { files, system } = host;
  if (system.name !== "linux" || system.architecture !== "x64")
    return { missing: "it is for Linux on x64 only" };
  const source = files.packageFolder(packageName);
  if (!source) return { missing: "it is not installed" };
  const folder = `${files.cacheFolder()}/swiftshader-${await packageVersion(host, source)}`;
  if (await files.stat(`${folder}/${icdName}`)) return { folder };

  const archive = await files.read(`${source}/bin/swiftshader.tar.br`);
  if (!archive) return { missing: `it has no bin/swiftshader.tar.br in ${source}` };
  const entries = untar(await decompressBrotli(archive));
  const part = `${folder}.${crypto.randomUUID()}.part`;
  try {
    for (const name of neededNames) {
      const bytes = entries.get(name);
      if (!bytes) return { missing: `its archive has no ${name}` };
      await files.write(`${part}/${name}`, bytes);
    }
    await files.write(`${part}/${icdName}`, entries.get(icdName) ?? icdFile());
    await files.moveFolder(part, folder);
    return { folder };
  } catch (error) {
    return {
      missing: `it cannot be unpacked to ${folder}: ${error instanceof Error ? error.message : error}`,
    };
  } finally {
    // Where another process was faster, or something is missing.
    await files.remove(part);
  }
}

async function packageVersion(host: AdapterHost, folder: string): Promise<string> {
  const bytes = await host.files.read(`${folder}/package.json`);
  const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes));
  const version =
    typeof parsed === "object" && parsed !== null && "version" in parsed ? String(parsed.version) : "";
  return version.replaceAll(/[^\w.-]/g, "_");
}

function icdFile(): Uint8Array {
  const icd = {
    file_format_version: "1.0.0",
    ICD: { library_path: `./${libraryName}`, api_version: "1.0.5" },
  };
  return new TextEncoder().encode(JSON.stringify(icd));
}

async function decompressBrotli(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  // Node 24.7 and Deno know this format; the DOM types do not yet.
  const brotli = new DecompressionStream("brotli" as CompressionFormat);
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(brotli)).arrayBuffer());
}
