/** What tests of the store need from the machine: empty folders that go away, ids of processes. */
import { spawn, spawnSync } from "node:child_process";
import { chmod, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "dawnlet-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Damages a file as a stray write does: one bit of it is another. */
export async function flipBit(path: string, at: number): Promise<void> {
  await chmod(path, 0o600);
  const file = await open(path, "r+");
  const byte = new Uint8Array(1);
  const { bytesRead } = await file.read(byte, 0, 1, at);
  if (bytesRead === 0) throw new RangeError(`'${path}' has no byte ${at}`);
  await file.write(new Uint8Array([byte[0]! ^ 1]), 0, 1, at);
  await file.close();
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
