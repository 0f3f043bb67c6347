/** How a device process is started, for whoever starts one: `platform.spawnProcess(deviceEntry, …)`. */
import type { ProcessOptions } from "../platform/platform.ts";

export const deviceEntry = new URL("./main.ts", import.meta.url);
/** Of one that only tries shaders out. */
export const trialEntry = new URL("../trial/main.ts", import.meta.url);

/** Streams of messages on its Port; see split-port.ts: calls of DeviceApi, and what session-messages.ts says. */
export const deviceStreams = ["calls", "sessions"] as const;

export const deviceProcessOptions = {
  name: "the device process",
  hugePages: true,
} as const satisfies ProcessOptions;
