/**
 * A device process of Deno with its own WebGPU, wgpu, on the driver that Dawn found. In a process of its own
 * because wgpu blocks the event loop.
 */
import type { CarrierTests } from "../describe-carrier.ts";
import { runByName } from "../suite.ts";
import { denoPlatform } from "./deno.ts";
import { startProcess } from "./process.ts";

export const wgpu: CarrierTests = {
  name: "a device process of deno with wgpu",
  implementation: "wgpu",
  runtime: "deno",
  async start({ suite, blobs, adapter }) {
    const choice = { implementation: "native" } as const;
    const { api, ...rest } = await startProcess(denoPlatform(), adapter.environment, choice, blobs);
    return { ...rest, run: (name) => runByName(api, suite, name) };
  },
};
