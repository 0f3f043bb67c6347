/** How much memory this machine, or the container that this process is in, has. */
import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";

/** Where Linux says what a container may use: version 2 and version 1 of control groups. */
const limitFiles = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/** In bytes. @param readText for tests: what a file holds. */
export async function hostMemoryBytes(
  total: number = totalmem(),
  readText: (path: string) => Promise<string> = (path) => readFile(path, "utf8"),
): Promise<number> {
  const limits = await Promise.all(limitFiles.map((path) => readText(path).catch(() => "")));
  // `max`, and a number beyond all memory, mean that there is no limit.
  const stated = limits.map((text) => Number.parseInt(text, 10)).filter((bytes) => bytes > 0);
  return Math.min(total, ...stated);
}
