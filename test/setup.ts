/**
 * Before any test process starts: finds a WebGPU adapter once, a software one where there is no GPU, and puts
 * what selects it into the environment. Drivers and their libraries are chosen when a process starts, so a
 * test process could not do it for itself.
 */
import process from "node:process";
import { findAdapter } from "../runtime/adapter/find-adapter.ts";

// Not `#platform`: vitest resolves what a global setup imports for Node, in Deno too.
const { platform } =
  "Deno" in globalThis
    ? await import("../runtime/platform/deno.ts")
    : await import("../runtime/platform/node.ts");

/** That another project of this run has found the adapter. */
const marker = "DAWNLET_TESTS_RUN_ON";

/** @throws DawnletError NO_ADAPTER with what to install. */
export async function setup(): Promise<void> {
  if (process.env[marker] !== undefined) return;
  const { name, environment, description } = await findAdapter(platform);
  Object.assign(process.env, environment, { [marker]: name });
  const { adapter } = description;
  console.log(`Tests run on ${name} (${adapter.description || adapter.device}), ${platform.runtime}`);
}
