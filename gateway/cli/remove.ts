/** `dawnlet remove`: a function and all its versions. */
import type { Command } from "commander";
import { addClientOptions, Client, type ClientOptions } from "./client.ts";
import type { CliContext } from "./terminal.ts";

export function addRemove(program: Command, { terminal }: CliContext): void {
  addClientOptions(program.command("remove"))
    .alias("rm")
    .description("remove a function with all its versions")
    .argument("<name>", "function to remove")
    .action(async (name: string, options: ClientOptions) => {
      await new Client(options).request(`/v1/functions/${encodeURIComponent(name)}`, { method: "DELETE" });
      terminal.err(`Removed '${name}'`);
    });
}
