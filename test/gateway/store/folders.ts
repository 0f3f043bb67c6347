/** What tests of the store need from the machine: empty folders that go away, ids of processes. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "dawnlet-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export const ownPid = process.pid;

/** Id of a process that has ended: what a crashed gateway leaves in its lock. */
export function endedPid(): number {
  return spawnSync(process.execPath, ["--version"]).pid;
}

/** A process that does nothing until it is disposed. */
export function idleProcess(): { readonly pid: number } & Disposable {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  if (child.pid === undefined) throw new Error("The test needs the program 'sleep'");
  return { pid: child.pid, [Symbol.dispose]: () => void child.kill() };
}
