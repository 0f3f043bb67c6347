/** What the host of a virtual machine takes of its processors' time, which no program in it can do anything about. Linux. */
import { readFile } from "node:fs/promises";

export interface ProcessorTime {
  /** Of all processors together, in units of the kernel's. */
  readonly all: number;
  readonly stolen: number;
}

/** @returns undefined where the system does not tell. */
export async function processorTime(): Promise<ProcessorTime | undefined> {
  const text = await readFile("/proc/stat", "utf8").catch(() => "");
  return parseProcessorTime(text);
}

/** @param text of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal, and guests that user includes. */
export function parseProcessorTime(text: string): ProcessorTime | undefined {
  const times = /^cpu +([\d ]+)$/m.exec(text)?.[1]?.split(" ").map(Number).slice(0, 8);
  if (times === undefined || times.length < 8) return undefined;
  return { all: times.reduce((sum, one) => sum + one, 0), stolen: times[7]! };
}

/** Part of the time between two looks, 0 to 1; 0 where nothing is known. */
export function stolenBetween(before: ProcessorTime | undefined, after: ProcessorTime | undefined): number {
  if (before === undefined || after === undefined || after.all <= before.all) return 0;
  return (after.stolen - before.stolen) / (after.all - before.all);
}
