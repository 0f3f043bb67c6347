/** What a data folder holds and whether a gateway could use it. Looks only; takes no lock and writes nothing. */
import { constants } from "node:fs";
import { access, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface DataFolderState {
  readonly path: string;
  /** False where a gateway could not write here. */
  readonly isUsable: boolean;
  /** In words: "new", "3 functions", why it is not usable. */
  readonly state: string;
  readonly functions: number;
  readonly sizeBytes: number;
  /** Records that could not be read and were set aside. */
  readonly damaged: number;
  /** Process ids in lock files: a gateway that runs, or one that was killed. */
  readonly lockedBy: readonly number[];
}

export async function examineDataFolder(path: string): Promise<DataFolderState> {
  const nothing = { path, functions: 0, sizeBytes: 0, damaged: 0, lockedBy: [] };
  const exists = await stat(path).catch(() => undefined);
  if (exists === undefined) {
    const parent = await firstExisting(dirname(path));
    const isUsable = await canWrite(parent);
    return { ...nothing, isUsable, state: isUsable ? "new" : `cannot be made: ${parent} is not writable` };
  }
  if (!exists.isDirectory()) return { ...nothing, isUsable: false, state: "is no folder" };
  const names = await readdir(path).catch(() => undefined);
  if (names === undefined || !(await canWrite(path)))
    return { ...nothing, isUsable: false, state: "is not readable and writable for this user" };
  const functions = (await listOf(join(path, "functions"))).length;
  return {
    path,
    isUsable: true,
    state: functions === 1 ? "1 function" : `${functions} functions`,
    functions,
    sizeBytes: await sizeOf(path),
    damaged: (await listOf(join(path, "damaged"))).length,
    lockedBy: await lockHolders(path, names),
  };
}

async function firstExisting(path: string): Promise<string> {
  const parent = dirname(path);
  return parent === path || (await stat(path).catch(() => undefined)) ? path : firstExisting(parent);
}

function canWrite(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

function listOf(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** A gateway may delete files meanwhile: those count nothing. */
async function sizeOf(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) sum += await sizeOf(path);
    else sum += (await stat(path).catch(() => undefined))?.size ?? 0;
  }
  return sum;
}

async function lockHolders(folder: string, names: readonly string[]): Promise<number[]> {
  const holders: number[] = [];
  for (const name of names.filter((one) => one.startsWith("lock."))) {
    const text = await readFile(join(folder, name), "utf8").catch(() => "");
    const pid = /"pid":\s*(\d+)/.exec(text)?.[1];
    if (pid !== undefined) holders.push(Number(pid));
  }
  return holders;
}
