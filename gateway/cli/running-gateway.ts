/** What the commands that run a gateway share: how they announce it, and how it ends. */
import type { Gateway } from "../gateway.ts";
import type { CliContext } from "./terminal.ts";

/** Beyond this the process ends whatever still runs. */
const closeLimitMs = 15_000;

export function announce(
  { url, adapters, backends }: Gateway,
  dataFolder: string,
  context: CliContext,
): void {
  const { terminal, versions } = context;
  const devices = [...backends.devices.devices, ...backends.lanes].map(({ id }) => id);
  terminal.out(`Dawnlet ${versions.dawnlet} listens on ${url}`);
  for (const { name, description } of adapters) {
    const { device, description: driver, isSoftware } = description.adapter;
    const speed = isSoftware ? ", a CPU: right results, no speed" : "";
    // The description is the driver's, which several may have in common.
    const which = adapters.length > 1 ? name : driver || device || name;
    terminal.out(`  adapter  ${which}${speed}`);
  }
  if (devices.length > 1) terminal.out(`  devices  ${devices.join(", ")}`);
  terminal.out(`  data     ${dataFolder}`);
}

/** The first request to end settles it, a second one ends the process at once. */
export function terminationOf({ platform, terminal }: CliContext): Promise<void> {
  return new Promise((resolve) => {
    let requests = 0;
    platform.onTerminate(() => {
      requests++;
      if (requests > 1) platform.exit(130);
      terminal.err("Stopping; once more ends it at once");
      resolve();
    });
  });
}

export async function closeInTime(gateway: Gateway, { platform, terminal }: CliContext): Promise<void> {
  const limit = setTimeout(() => platform.exit(1), closeLimitMs);
  await gateway.close();
  clearTimeout(limit);
  terminal.err("Stopped");
}
