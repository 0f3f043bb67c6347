/** The command `dawnlet serve`: its options. What it does is in run-serve.ts, which is not loaded for other commands. */
import { type Command, Option } from "commander";
import type { HandlerLimits } from "../handlers/limits.ts";
import {
  defaultEviction,
  type EvictionPolicyName,
  evictionPolicyNames,
} from "../scheduler/eviction/policies.ts";
import {
  defaultScheduling,
  type SchedulingPolicyName,
  schedulingPolicyNames,
} from "../scheduler/policies/policies.ts";
import { type LogOptions, logForms, logLevels } from "./logging.ts";
import {
  parseAdapters,
  parseDevices,
  parseHandlerLimits,
  parseLanes,
  parsePort,
  parseSize,
  parseYes,
} from "./option-values.ts";
import type { CliContext } from "./terminal.ts";

export interface ServeOptions extends LogOptions {
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
  readonly autoscale: boolean;
  readonly scheduleLog?: string;
  readonly scheduleLogBytes?: number;
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
    .option(
      "--no-autoscale",
      "bring weights in when calls come, and never before; keep them until room is needed",
    )
    .option(
      "--schedule-log <file>",
      "write all that the scheduler hears to a file that there is not, for `dawnlet replay`",
    )
    .option(
      "--schedule-log-bytes <size>",
      "most bytes of it; what comes then is not logged (default: 256MiB)",
      parseSize,
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
    .action(async (options: ServeOptions) => {
      const { serve } = await import("./run-serve.ts");
      await serve(options, context);
    });
}
