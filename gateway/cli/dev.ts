/** The command `dawnlet dev`: its options. What it does is in run-dev.ts, which is not loaded for other commands. */
import { type Command, Option } from "commander";
import { parsePort } from "./option-values.ts";
import type { CliContext } from "./terminal.ts";

export interface DevOptions {
  readonly port: number;
  readonly name?: string;
  readonly data?: string;
  readonly use: readonly string[];
  readonly secret: readonly string[];
  readonly secrets?: string;
  readonly adapter?: string;
  readonly allowPrivateHosts?: true;
}

export function addDev(program: Command, context: CliContext): void {
  program
    .command("dev")
    .description("run a function while it is written: deploy it at each change, show logs and errors")
    .argument("<path>", "a folder, an .onnx or a .wgsl file, or a handler (.ts, .tsx, .js, .mjs)")
    .addOption(
      new Option("--port <port>", "port to listen on; 0 for any that is free")
        .argParser(parsePort)
        .default(8080),
    )
    .option("--name <name>", "name of the function (default: that of the file or folder)")
    .option("--use <[name=]path>", "deploy another bundle first, which the handler uses", collect, [])
    .option("--secret <KEY=value>", "set a secret of the handler", collect, [])
    .option("--secrets <file>", "set secrets from lines KEY=value of a file, such as .env")
    .option("--data <folder>", "where what is deployed is kept (default: dev in that of 'serve')")
    .addOption(
      new Option("--adapter <which>", "gpu, swiftshader, lavapipe, null, or an ICD's .json file").env(
        "DAWNLET_ADAPTER",
      ),
    )
    .option("--allow-private-hosts", "let the handler reach private addresses among the hosts that it names")
    .action(async (path: string, options: DevOptions) => {
      const { dev } = await import("./run-dev.ts");
      await dev(path, options, context);
    });
}

function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value];
}
