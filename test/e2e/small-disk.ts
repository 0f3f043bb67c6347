/**
 * A disk of a few megabytes for a test: a tmpfs in a mount namespace of its own, which vanishes with the process that
 * holds it. Needs Linux, and either root or the right to make user namespaces.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import process from "node:process";

export interface SmallDisk extends AsyncDisposable {
  /** Where a process that is started by `wrapper` finds the disk. */
  readonly path: string;
  readonly wrapper: readonly string[];
  /** Where this process finds it. */
  readonly outerPath: string;
  resize(sizeBytes: number): void;
}

/** @param path of an empty folder. @returns undefined where the system gives no such disk. */
export async function mountSmallDisk(path: string, sizeBytes: number): Promise<SmallDisk | undefined> {
  const isRoot = process.getuid?.() === 0;
  const namespaces = isRoot ? ["--mount"] : ["--user", "--map-root-user", "--mount"];
  const script = `mount -t tmpfs -o size=${sizeBytes} tmpfs "$1" && echo mounted && exec sleep 600`;
  const holder = spawn("unshare", [...namespaces, "sh", "-c", script, "sh", path], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise<false>((resolve) => {
    holder.once("error", () => resolve(false));
    holder.once("exit", () => resolve(false));
  });
  const isMounted = await Promise.race([once(holder.stdout, "data").then(() => true), ended]);
  if (!isMounted) return undefined;
  const enter = ["nsenter", "--target", `${holder.pid}`, "--mount"];
  if (!isRoot) enter.push("--user", "--preserve-credentials");
  return {
    path,
    wrapper: enter,
    outerPath: `/proc/${holder.pid}/root${path}`,
    resize(bytes) {
      const [program, ...args] = [...enter, "mount", "-o", `remount,size=${bytes}`, path];
      const { status, stderr } = spawnSync(program!, args, { encoding: "utf8" });
      if (status !== 0) throw new Error(`The disk cannot be resized: ${stderr}`);
    },
    async [Symbol.asyncDispose]() {
      holder.kill("SIGKILL");
      await ended;
    },
  };
}
