/** Deno as the runtime of child processes, whichever runtime this is. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { platform } from "#platform";
import type { Platform } from "../../../runtime/platform/platform.ts";
import { spawnChild } from "../../../runtime/platform/posix-process.ts";

const installed = fileURLToPath(new URL("../../../node_modules/.bin/deno", import.meta.url));

/** @throws Error that says what to install. */
export function denoPlatform(): Platform {
  if (platform.runtime === "deno") return platform;
  if (!existsSync(installed)) throw new Error("No Deno for the tests of its WebGPU: run npm install");
  const run = ["run", "--allow-all", "--quiet", "--no-lock", "--no-prompt"];
  return {
    ...platform,
    runtime: "deno",
    spawnProcess: (entry, options = {}) =>
      spawnChild({ program: installed, args: () => [...run, fileURLToPath(entry)] }, options),
  };
}
