/** `dawnlet serve`: a gateway until the process is asked to end. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { DawnletError } from "../../kernels/errors.ts";
import { defaultEviction, defaultScheduling, type Gateway, openGateway } from "../gateway.ts";
import type { HandlerLimits } from "../handlers/limits.ts";
import { type EvictionPolicyName, evictionPolicyNames } from "../scheduler/eviction/policies.ts";
import { type SchedulingPolicyName, schedulingPolicyNames } from "../scheduler/policies/policies.ts";
import { readTenants } from "../tenants-file.ts";
import { defaultDataFolder } from "./data-folder.ts";
import { exampleCall, exampleFunctions } from "./example-functions.ts";
import { type LogOptions, logForms, logLevels, startLogging } from "./logging.ts";
import {
  parseAdapters,
  parseDevices,
  parseHandlerLimits,
  parseLanes,
  parsePort,
  parseSize,
  parseYes,
} from "./option-values.ts";
import { announce, closeInTime, terminationOf } from "./running-gateway.ts";
import type { CliContext, Terminal } from "./terminal.ts";

interface ServeOptions extends LogOptions {
  readonly port: number;
  readonly host: string;
  readonly data?: string;
  readonly token?: string;
  readonly tenants?: string;
  readonly adapter?: readonly string[];
  readonly devices?: number;
  readonly implementation?: "dawn" | "native";
  readonly deviceMemory?: number;
  readonly hostMemory?: number;
  readonly cpu?: number | true;
  readonly eviction: EvictionPolicyName;
  readonly scheduling: SchedulingPolicyName;
  readonly examples: boolean;
  readonly bodyLimit?: number;
  readonly allowPrivateHosts?: boolean;
  readonly handlerLimits?: Partial<HandlerLimits>;
}

export function addServe(program: Command, context: CliContext): void {
  program
    .command("serve")
    .description("start a gateway")
    .addOption(
      new Option("--port <port>", "port to listen on; 0 for any that is free")
        .env("DAWNLET_PORT")
        .argParser(parsePort)
        .default(8080),
    )
    .addOption(
      new Option("--host <address>", "address to listen on").env("DAWNLET_HOST").default("127.0.0.1"),
    )
    .addOption(
      new Option("--data <folder>", "where deployed functions are kept (default: .data of the project)").env(
        "DAWNLET_DATA",
      ),
    )
    .addOption(
      new Option("--token <token>", "the operator's token, which clients must send").env("DAWNLET_TOKEN"),
    )
    .addOption(
      new Option("--tenants <file>", "JSON file with names and tokens of who shares the gateway").env(
        "DAWNLET_TENANTS",
      ),
    )
    .addOption(
      new Option(
        "--adapter <which>",
        "gpu, all (each GPU), swiftshader, lavapipe, null, or an ICD's .json file; several have devices on each",
      )
        .env("DAWNLET_ADAPTER")
        .argParser(parseAdapters),
    )
    .option(
      "--devices <count>",
      "device processes on each adapter, as if it were several (default: 1)",
      parseDevices,
    )
    .addOption(
      new Option("--implementation <which>", "implementation of WebGPU (native: Deno's own)").choices([
        "dawn",
        "native",
      ]),
    )
    .option(
      "--cpu [lanes]",
      "run ONNX models on the CPU as well, where that is faster, so many at a time (default: by its cores)",
      parseLanes,
    )
    .option("--device-memory <size>", "most bytes on each device (default: by what it has)", parseSize)
    .option(
      "--host-memory <size>",
      "most bytes of weights in host memory (default: half of what the machine has)",
      parseSize,
    )
    .addOption(
      new Option("--eviction <policy>", "who leaves the device when room is needed")
        .choices(evictionPolicyNames)
        .default(defaultEviction),
    )
    .addOption(
      new Option("--scheduling <policy>", "which calls run when, and where")
        .choices(schedulingPolicyNames)
        .default(defaultScheduling),
    )
    .option("--body-limit <size>", "largest body of a call (default: 64MiB)", parseSize)
    .addOption(
      new Option(
        "--allow-private-hosts [yes|no]",
        "let handlers reach private addresses, such as this machine's, among the hosts that they name",
      )
        .env("DAWNLET_ALLOW_PRIVATE_HOSTS")
        .argParser(parseYes)
        .preset("yes"),
    )
    .addOption(
      new Option(
        "--handler-limits <limits>",
        "most that handlers may ask for: memoryBytes=1GiB,instances=8 or JSON, names as in function.json",
      )
        .env("DAWNLET_HANDLER_LIMITS")
        .argParser(parseHandlerLimits),
    )
    .option("--examples", "deploy the example functions", false)
    .option("--no-examples", "deploy nothing")
    .addOption(
      new Option("--log <form>", "form of the log (default: text on a terminal, else json)").choices(
        logForms,
      ),
    )
    .addOption(
      new Option("--log-level <level>", "least level that is logged").choices(logLevels).default("info"),
    )
    .action((options: ServeOptions) => serve(options, context));
}

async function serve(options: ServeOptions, context: CliContext): Promise<void> {
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
    allowPrivateHosts,
    handlerLimits,
  } = options;
  return {
    ...{ port, hostname, scheduling },
    // Unless somebody has asked for another order, the scheduler has its own.
    ...(eviction !== defaultEviction && { eviction }),
    ...(token && { token }),
    ...(adapter && { adapter }),
    ...(devices && { devices }),
    ...(implementation && { implementation }),
    ...(deviceMemory && { deviceBytes: deviceMemory }),
    ...(hostMemory && { hostBytes: hostMemory }),
    ...(cpu && { cpu }),
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
