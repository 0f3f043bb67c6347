/**
 * A device process of Deno with its own WebGPU, wgpu, on the driver that Dawn found. In a process of its own
 * because wgpu blocks the event loop.
 */
import { denoPlatform } from "./carriers/deno.ts";
import { startProcess } from "./carriers/process.ts";
import { describeCarrier } from "./describe-carrier.ts";
import { runByName } from "./suite.ts";

describeCarrier({
  name: "a device process of deno with wgpu",
  implementation: "wgpu",
  runtime: "deno",
  async start({ suite, blobs, adapter }) {
    const choice = { implementation: "native" } as const;
    const { api, ...rest } = await startProcess(denoPlatform(), adapter.environment, choice, blobs);
    return { ...rest, run: (name) => runByName(api, suite, name) };
  },
});
