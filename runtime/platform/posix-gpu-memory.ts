/** What the drivers of GPUs with memory of their own say of it. WebGPU tells nothing. Used by Node and Deno. */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { GpuMemory } from "./platform.ts";

const drmFolder = "/sys/class/drm";

/** See `Platform.gpuMemories`. */
export async function gpuMemories(): Promise<readonly GpuMemory[]> {
  const all = await Promise.allSettled([nvidiaMemories(), amdMemories()]);
  return all.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
}

/** @throws where there is no such driver. */
async function nvidiaMemories(): Promise<readonly GpuMemory[]> {
  const query = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"];
  const { stdout } = await promisify(execFile)("nvidia-smi", query, { timeout: 5_000 });
  return parseNvidiaSmi(stdout);
}

/** @param text lines of `name, MiB`. */
export function parseNvidiaSmi(text: string): readonly GpuMemory[] {
  return text.split("\n").flatMap((line) => {
    const comma = line.lastIndexOf(",");
    const sizeBytes = Number(line.slice(comma + 1)) * 2 ** 20;
    return comma > 0 && sizeBytes > 0
      ? [{ vendor: "nvidia" as const, name: line.slice(0, comma).trim(), sizeBytes }]
      : [];
  });
}

async function amdMemories(): Promise<readonly GpuMemory[]> {
  const cards = (await readdir(drmFolder)).filter((name) => /^card\d+$/.test(name));
  const texts = await Promise.allSettled(
    cards.map((card) => readFile(`${drmFolder}/${card}/device/mem_info_vram_total`, "utf8")),
  );
  return texts.flatMap((text) => {
    const sizeBytes = text.status === "fulfilled" ? Number(text.value) : 0;
    return sizeBytes > 0 ? [{ vendor: "amd" as const, name: "", sizeBytes }] : [];
  });
}
