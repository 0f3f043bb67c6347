/**
 * The first module of a sealed process under Node: takes away what the permission model leaves to it. Signals reach every
 * process of the user, the gateway too; a debugger can be opened in them; V8's flags undo what V8 promises. What tells of
 * the machine, its user and its networks is nobody's business here.
 */
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import process from "node:process";
import v8 from "node:v8";

/** Not in the types: what `process.kill` goes by, and what opens the inspector of another process. */
interface Internals {
  _kill(pid: number, signal: number): number;
  _debugProcess: unknown;
}

const internals = process as unknown as Internals;
const ownPid = process.pid;
const send = internals._kill.bind(process);

function deny(): never {
  throw new Error("Access denied: this process is sealed");
}

function fix(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: false, configurable: false });
}

fix(internals, "_kill", (pid: number, signal: number) => (pid === ownPid ? send(pid, signal) : deny()));
// It looks `_kill` up on the object that it is called on.
fix(process, "kill", process.kill.bind(process));
fix(internals, "_debugProcess", deny);
for (const name of ["setPriority", "hostname", "userInfo", "homedir", "networkInterfaces"])
  fix(os, name, deny);
fix(process.report, "getReport", deny);
fix(v8, "setFlagsFromString", deny);
syncBuiltinESMExports();
