/** How a device process is started, for whoever starts one: `platform.spawnProcess(deviceEntry, …)`. */
import type { ProcessOptions } from "../platform/platform.ts";

export const deviceEntry = new URL("./main.ts", import.meta.url);

export const deviceProcessOptions = {
  name: "the device process",
  hugePages: true,
} as const satisfies ProcessOptions;
