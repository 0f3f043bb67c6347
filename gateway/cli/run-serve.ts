/** `dawnlet serve`: a gateway until the process is asked to end. */
import { resolve } from "node:path";
import { DawnletError } from "../../kernels/errors.ts";
import { type Gateway, openGateway } from "../gateway.ts";
import { defaultEviction } from "../scheduler/eviction/policies.ts";
import { readTenants } from "../tenants-file.ts";
import { defaultDataFolder } from "./data-folder.ts";
import { exampleCall, exampleFunctions } from "./example-functions.ts";
import { startLogging } from "./logging.ts";
import { announce, closeInTime, terminationOf } from "./running-gateway.ts";
import type { ServeOptions } from "./serve.ts";
import type { CliContext, Terminal } from "./terminal.ts";

export async function serve(options: ServeOptions, context: CliContext): Promise<void> {
  const { platform, terminal } = context;
  await startLogging(terminal, options);
  const ended = terminationOf(context);
  const dataFolder = resolve(options.data ?? defaultDataFolder(platform, resolve()));
  const { token, tenants: file } = options;
  const system = platform.system.name;
  const tenants = file ? await readTenants(file, { token, system }) : undefined;
  const access = tenants === undefined ? {} : { tenants };
  const gateway = await openGateway({ ...gatewayOptions(options), ...access, platform, dataFolder });
  announce(gateway, dataFolder, context);
  if (tenants !== undefined) terminal.out(`  tenants  ${tenants.length}`);
  if (options.examples)
    await deployExamples(gateway, token !== undefined || tenants !== undefined, terminal, ended);
  await ended;
  await closeInTime(gateway, context);
}

function gatewayOptions(options: ServeOptions) {
  const {
    port,
    host: hostname,
    token,
    adapter,
    devices,
    implementation,
    deviceMemory,
    hostMemory,
    cpu,
    bodyLimit,
    eviction,
    scheduling,
    autoscale,
    scheduleLog,
    scheduleLogBytes,
    allowPrivateHosts,
    handlerLimits,
  } = options;
  return {
    ...{ port, hostname, scheduling },
    // Unless somebody has asked for another order, the scheduler has its own.
    ...(eviction !== defaultEviction && { eviction }),
    ...(autoscale && { autoscale: {} }),
    ...(token && { token }),
    ...(adapter && { adapter }),
    ...(devices && { devices }),
    ...(implementation && { implementation }),
    ...(deviceMemory && { deviceBytes: deviceMemory }),
    ...(hostMemory && { hostBytes: hostMemory }),
    ...(cpu && { cpu }),
    ...(scheduleLog !== undefined && {
      scheduleLog: {
        path: resolve(scheduleLog),
        ...(scheduleLogBytes !== undefined && { maxBytes: scheduleLogBytes }),
      },
    }),
    ...(bodyLimit && { limits: { callBytes: bodyLimit } }),
    ...(allowPrivateHosts && { allowPrivateHosts }),
    ...(handlerLimits && { handlerLimits }),
  };
}

async function deployExamples(
  { functions, url }: Gateway,
  hasToken: boolean,
  terminal: Terminal,
  ended: Promise<void>,
): Promise<void> {
  let isEnding = false;
  void ended.then(() => {
    isEnding = true;
  });
  const examples = await exampleFunctions();
  const width = Math.max(...examples.map(({ name }) => name.length));
  terminal.out("Example functions, each with a call to paste:");
  for (const { name, open } of examples) {
    if (isEnding) return;
    try {
      await functions.deploy(name, { body: await open() });
      const call = exampleCall({ url, hasToken }, functions.version(name));
      terminal.out(`  ${name.padEnd(width)}  ${call}`);
    } catch (error) {
      // One that this device cannot run leaves the others.
      if (!(error instanceof DawnletError)) throw error;
      terminal.err(error.message);
    }
  }
}
