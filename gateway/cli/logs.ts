/** `dawnlet logs`: what a function has logged, and what it logs from now on. */
import { type Command, Option } from "commander";
import { type LogLine, logLevelNames } from "../handlers/function-logs.ts";
import { addClientOptions, Client, type ClientOptions } from "./client.ts";
import { linesOf } from "./lines-of.ts";
import { logText } from "./log-text.ts";
import { parseCount } from "./option-values.ts";
import { parseLogLine } from "./replies.ts";
import type { CliContext } from "./terminal.ts";

interface LogsOptions extends ClientOptions {
  readonly tail?: number;
  readonly level?: LogLine["level"];
  readonly follow?: true;
  readonly json?: true;
}

export function addLogs(program: Command, { terminal }: CliContext): void {
  addClientOptions(program.command("logs"))
    .description("show what a function has logged")
    .argument("<function>", "deployed function")
    .option("--tail <lines>", "how many of the last lines (default: 100)", parseCount)
    .option("-f, --follow", "go on with what it logs from now on")
    .addOption(new Option("--level <level>", "least level that is shown").choices(logLevelNames))
    .option("--json", "print lines of JSON")
    .action(async (name: string, options: LogsOptions) => {
      const { tail, level, follow } = options;
      const query = new URLSearchParams();
      if (tail !== undefined) query.set("tail", String(tail));
      if (level !== undefined) query.set("level", level);
      if (follow) query.set("follow", "true");
      const path = `/v1/functions/${encodeURIComponent(name)}/logs?${query}`;
      const response = await new Client(options).request(path);
      for await (const line of linesOf(response))
        terminal.out(options.json ? line : logText(parseLogLine(JSON.parse(line))));
    });
}
