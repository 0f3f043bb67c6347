/** Processes of this machine as a test of faults sees them, by /proc: Linux only. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

export interface ProcessSeen {
  readonly pid: number;
  /** Kind of Dawnlet's process: `device`, `compiler`, `session`; otherwise the command. */
  readonly kind: string;
}

export const hasProc = existsSync("/proc/self/stat");

/** Children of a process, their children, and so on, that run now. */
export function descendants(pid: number): readonly ProcessSeen[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const fields = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (fields === undefined || fields.state === "Z") continue;
    children.set(fields.parent, [...(children.get(fields.parent) ?? []), Number(name)]);
  }
  const found: ProcessSeen[] = [];
  const visit = (parent: number) => {
    for (const child of children.get(parent) ?? []) {
      found.push({ pid: child, kind: kindOf(child) });
      visit(child);
    }
  };
  visit(pid);
  return found;
}

/** False for one that has ended, also where nobody has asked how. */
export function isRunning(pid: number): boolean {
  const fields = statOf(pid);
  return fields !== undefined && fields.state !== "Z";
}

/** Time of processors that it has had, in milliseconds; 0 for one that has ended. */
export function cpuMsOf({ pid }: ProcessSeen): number {
  return statOf(pid)?.cpuMs ?? 0;
}

/** Waits until none of them runs. @returns those that still do after `limitMs`. */
export async function whenGone(
  processes: readonly ProcessSeen[],
  limitMs: number,
): Promise<readonly ProcessSeen[]> {
  const endsAt = performance.now() + limitMs;
  for (;;) {
    const left = processes.filter(({ pid }) => isRunning(pid));
    if (left.length === 0 || performance.now() > endsAt) return left;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function kindOf(pid: number): string {
  const command = textOf(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  return /runtime\/(\w+)\/main\.ts/.exec(command)?.[1] ?? command;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly cpuMs: number;
}

function statOf(pid: number): Stat | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  // The program's name, in parentheses, may hold blanks.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parent] = fields;
  // Of the user and of the system, in hundredths of a second.
  const cpuMs = 10 * (Number(fields[11]) + Number(fields[12]));
  return state && parent ? { state, parent: Number(parent), cpuMs } : undefined;
}

/** Empty for processes that have ended meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
