/**
 * How much memory the device of an adapter has, which WebGPU does not tell: from the system's drivers, where they say it.
 * A software GPU, and one that shares the host's memory, gets a part of that.
 */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { DeviceDescription } from "../../runtime/device/api.ts";

/** What is asked of the system. */
export interface MemoryProbes {
  /** Lines of `name, MiB`: GPUs that NVIDIA's driver knows. @throws where there is no such driver. */
  nvidiaMemory(): Promise<string>;
  /** Bytes of each GPU of amdgpu. */
  amdMemory(): Promise<readonly string[]>;
}

export interface DeviceMemoryDefault {
  readonly bytes: number;
  /** For the log: where the number comes from. */
  readonly from: string;
}

/** Host memory holds the host tier and this process as well. */
const shareOfHost = 1 / 4;
/** The driver, and whoever else draws, need some. */
const shareOfOwn = 0.85;
/** Where nothing is known. */
const assumedBytes = 4 * 2 ** 30;
const sharesHostMemory = /^(apple|intel|qualcomm|arm)$/i;

/** @param hostBytes all memory that this machine, or its container, has. */
export async function defaultDeviceMemory(
  { vendor, device, description, isSoftware }: DeviceDescription["adapter"],
  hostBytes: number,
  probes: MemoryProbes = systemProbes,
): Promise<DeviceMemoryDefault> {
  if (isSoftware || sharesHostMemory.test(vendor))
    return { bytes: Math.floor(hostBytes * shareOfHost), from: "a quarter of the host's memory" };
  const found = await ownMemory(`${device} ${description}`, vendor, probes).catch(() => undefined);
  if (found !== undefined) return { bytes: Math.floor(found * shareOfOwn), from: "what its driver says" };
  return { bytes: assumedBytes, from: "a guess: --device-memory states it" };
}

/** Of GPUs that cannot be told apart the smallest. */
async function ownMemory(name: string, vendor: string, probes: MemoryProbes): Promise<number | undefined> {
  if (/^nvidia$/i.test(vendor)) {
    const gpus = parseNvidia(await probes.nvidiaMemory());
    const named = gpus.filter((gpu) => name.includes(gpu.name));
    return smallest((named.length > 0 ? named : gpus).map(({ bytes }) => bytes));
  }
  if (/^amd$/i.test(vendor)) return smallest((await probes.amdMemory()).map(Number));
  return undefined;
}

function parseNvidia(text: string): { readonly name: string; readonly bytes: number }[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const comma = line.lastIndexOf(",");
      return { name: line.slice(0, comma).trim(), bytes: Number(line.slice(comma + 1)) * 2 ** 20 };
    });
}

function smallest(values: readonly number[]): number | undefined {
  const known = values.filter((value) => Number.isFinite(value) && value > 0);
  return known.length === 0 ? undefined : Math.min(...known);
}

const drmFolder = "/sys/class/drm";

const systemProbes: MemoryProbes = {
  async nvidiaMemory() {
    const query = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"];
    const { stdout } = await promisify(execFile)("nvidia-smi", query, { timeout: 5_000 });
    return stdout;
  },
  async amdMemory() {
    const cards = (await readdir(drmFolder)).filter((name) => /^card\d+$/.test(name));
    const texts = cards.map((card) => readFile(`${drmFolder}/${card}/device/mem_info_vram_total`, "utf8"));
    return (await Promise.allSettled(texts)).flatMap((outcome) =>
      outcome.status === "fulfilled" ? [outcome.value] : [],
    );
  },
};
