/**
 * One gateway a data folder. Each writes a lock file of its own, then looks at those of the others:
 * of two that come at once at least one sees the other, so two never go on, and no step between
 * looking and creating can be raced. Locks of ended processes are removed.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { getPriority, hostname } from "node:os";
import { join } from "node:path";
import { DawnletError } from "../../kernels/errors.ts";
import type { Files } from "./files.ts";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Tells the process from a later one with the same id; empty where the system does not say. */
  readonly startedAt: string;
}

const prefix = "lock.";

/** Processes of another host (another container, a shared disk) are not visible: their lock must stay fresh. */
const refreshEveryMs = 10_000;
const staleAfterMs = 40_000;

export interface Lock {
  release(): Promise<void>;
}

/**
 * @param pid Id of this process.
 * @throws DawnletError UNAVAILABLE naming the process that uses the folder.
 */
export async function takeLock(files: Files, folder: string, pid: number): Promise<Lock> {
  const own = prefix + randomUUID();
  const path = join(folder, own);
  const holder: Holder = { pid, host: hostname(), startedAt: (await startOf(pid)) ?? "" };
  try {
    const file = await files.create(path);
    try {
      await file.write(new TextEncoder().encode(JSON.stringify(holder)));
    } finally {
      await file.close();
    }
    for (const { name } of await files.list(folder)) {
      if (name.startsWith(prefix) && name !== own) await checkOther(files, folder, name);
    }
  } catch (error) {
    await files.remove(path).catch(() => undefined);
    throw error;
  }
  const timer = setInterval(() => files.touch(path).catch(() => undefined), refreshEveryMs);
  timer.unref();
  return {
    release() {
      clearInterval(timer);
      return files.remove(path);
    },
  };
}

async function checkOther(files: Files, folder: string, name: string): Promise<void> {
  const path = join(folder, name);
  const holder = await readHolder(files, path);
  if (holder === undefined || !(await isAlive(files, path, holder))) return files.remove(path);
  throw new DawnletError(
    "UNAVAILABLE",
    `Cannot open the data folder '${folder}' as process ${holder.pid} on '${holder.host}' uses it: stop that gateway, or start this one with another data folder`,
  );
}

/** Undefined where the file is gone or unfinished: who is still writing it will see our lock and step back. */
async function readHolder(files: Files, path: string): Promise<Holder | undefined> {
  const file = await files.open(path);
  if (file === undefined) return undefined;
  try {
    const bytes = new Uint8Array(file.sizeBytes);
    await file.read(0, bytes);
    return parseHolder(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    await file.close();
  }
}

function parseHolder(value: unknown): Holder | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!("pid" in value && "host" in value && "startedAt" in value)) return undefined;
  const { pid, host, startedAt } = value;
  const isValid = typeof pid === "number" && typeof host === "string" && typeof startedAt === "string";
  return isValid ? { pid, host, startedAt } : undefined;
}

async function isAlive(files: Files, path: string, holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) {
    const refreshedAt = await files.modifiedAtMs(path);
    return refreshedAt !== undefined && Date.now() - refreshedAt < staleAfterMs;
  }
  const startedAt = await startOf(holder.pid);
  if (startedAt === undefined) return false;
  return startedAt === holder.startedAt || startedAt === "" || holder.startedAt === "";
}

/**
 * When a process of this host was started, in a form that no other process with its id shares.
 * Undefined where no such process runs; empty where the system tells no more than that it runs.
 * A container's main process has the same id after every restart, so the id alone says little.
 */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    getPriority(pid);
  } catch {
    return undefined;
  }
  try {
    const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in parentheses, may hold blanks: count from the end of it. Field 22 is the start.
    const startTicks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return startTicks === undefined ? "" : `${bootId.trim()} ${startTicks}`;
  } catch {
    return "";
  }
}
