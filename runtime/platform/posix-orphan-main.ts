/**
 * A thread that ends its process when the process's parent has ended, also while the main thread computes without end.
 * Used by Node and Deno.
 */
import process from "node:process";
import { setInterval } from "node:timers";
import { orphanGraceMs } from "./platform.ts";

// An orphan is given another parent.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
}, orphanGraceMs / 2);
