/** `dawnlet list`: what is deployed, a line each. */
import type { Command } from "commander";
import { formatBytes, tableLines } from "../text.ts";
import { addClientOptions, Client, type ClientOptions } from "./client.ts";
import { engineWord, signatureText } from "./describe-version.ts";
import { parseList, type StatusReply } from "./replies.ts";
import type { CliContext } from "./terminal.ts";

export function addList(program: Command, { terminal }: CliContext): void {
  addClientOptions(program.command("list"))
    .alias("ls")
    .description("list the deployed functions")
    .option("--json", "print JSON")
    .action(async (options: ClientOptions & { readonly json?: true }) => {
      const functions = parseList(await new Client(options).json("/v1/functions"));
      if (options.json) terminal.out(JSON.stringify(functions, null, 2));
      else if (functions.length === 0) terminal.err("Nothing is deployed. Try: dawnlet deploy model.onnx");
      else for (const line of listLines(functions)) terminal.out(line);
    });
}

function listLines(functions: readonly StatusReply[]): string[] {
  const hasTenants = functions.some(({ current }) => current.tenant !== undefined);
  const heading = [
    "name",
    ...(hasTenants ? ["tenant"] : []),
    "version",
    "kind",
    "engine",
    "size",
    "inputs → outputs",
  ];
  const rows = functions.map(({ current }) => {
    return [
      current.name,
      ...(hasTenants ? [current.tenant ?? ""] : []),
      String(current.version),
      current.kind,
      engineWord(current),
      formatBytes(current.sizeBytes),
      signatureText(current),
    ];
  });
  return tableLines([heading, ...rows]);
}
