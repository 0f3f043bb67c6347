/**
 * Processor time and memory of another process. Used by Node and Deno.
 *
 * On Linux by `/proc/<pid>/stat`, which counts all threads, ended ones too, in steps of 10 ms; 0.03 ms a call. Its
 * finer sibling `schedstat` tells of one thread: that of the process forgets the others, and the sum over `task/` takes
 * 0.15 ms and loses threads that have ended. Elsewhere by `ps`, which takes milliseconds; in Windows nobody says.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { ProcessUsage } from "./platform.ts";

/** USER_HZ, which is 100 on every machine that Node and Deno run on. */
const tickMs = 10;
/** AT_PAGESZ: the entry of the auxiliary vector that holds the size of a page. */
const pageSizeKey = 6n;

/** See `Platform.processUsage`. */
export async function processUsage(pid: number): Promise<ProcessUsage | undefined> {
  if (process.platform === "linux") return readProc(pid);
  if (process.platform === "win32") return undefined;
  try {
    // Lazy: device processes start none.
    const [{ execFile }, { promisify }] = await Promise.all([
      import("node:child_process"),
      import("node:util"),
    ]);
    const { stdout } = await promisify(execFile)("ps", ["-o", "rss=,time=", "-p", String(pid)]);
    return parsePs(stdout);
  } catch {
    return undefined;
  }
}

/** Reads without waiting: these files are written by the kernel as they are read. */
function readProc(pid: number): ProcessUsage | undefined {
  try {
    const cpuMs = parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
    const [, resident, ofFiles] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ", 3).map(Number);
    if (cpuMs === undefined) return undefined;
    const residentBytes = resident! * pageSize();
    return { cpuMs, residentBytes, ownBytes: residentBytes - ofFiles! * pageSize() };
  } catch {
    return undefined;
  }
}

/** @returns milliseconds; undefined for a process that has ended and that nobody has asked how. */
export function parseStat(text: string): number | undefined {
  // The program's name, in parentheses, may hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ", 13);
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** @param text RSS in KiB, and time as `[[days-]hours:]minutes:seconds[.hundredths]`. */
export function parsePs(text: string): ProcessUsage | undefined {
  const found = /^\s*(\d+)\s+(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)\s*$/.exec(text);
  if (found === null) return undefined;
  const [kibibytes, days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  const elapsed = ((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!;
  const residentBytes = kibibytes! * 1024;
  return { cpuMs: Math.round(elapsed * 1000), residentBytes, ownBytes: residentBytes };
}

let knownPageSize: number | undefined;

function pageSize(): number {
  knownPageSize ??= readPageSize();
  return knownPageSize;
}

/** 4 KiB on x86-64, up to 64 KiB on arm64: the kernel tells each process in pairs of words. */
function readPageSize(): number {
  const words = new BigUint64Array(new Uint8Array(readFileSync("/proc/self/auxv")).buffer);
  const at = words.findIndex((word, i) => i % 2 === 0 && word === pageSizeKey);
  return at < 0 ? 4096 : Number(words[at + 1]);
}
