/** `dawnlet secret`: sets, lists and removes secrets of a function. Values are never arguments, which others may see. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { DawnletError } from "../../kernels/errors.ts";
import { maxSecretBytes } from "../functions/secrets.ts";
import { tableLines } from "../text.ts";
import { addClientOptions, Client, type ClientOptions } from "./client.ts";
import { parseSecrets } from "./replies.ts";
import type { CliContext } from "./terminal.ts";

type SetOptions = ClientOptions & { readonly fromFile?: string };

export function addSecret(program: Command, context: CliContext): void {
  const { terminal } = context;
  const command = program
    .command("secret")
    .description("set, list and remove secrets of a function, which it alone can read");
  addClientOptions(command.command("set"))
    .description("set a secret to what comes on stdin, without the line break at its end")
    .argument("<function>", "deployed function")
    .argument("<key>", "name of the secret")
    .option("--from-file <path>", "set it to the bytes of a file")
    .action(async (name: string, key: string, options: SetOptions) => {
      const { fromFile } = options;
      const body = fromFile === undefined ? await typedValue(context) : await fileValue(fromFile);
      await new Client(options).request(secretPath(name, key), { method: "PUT", body });
      terminal.err(`Set secret '${key}' of '${name}'`);
    });
  addClientOptions(command.command("list"))
    .alias("ls")
    .description("list the names of a function's secrets")
    .argument("<function>", "deployed function")
    .option("--json", "print JSON")
    .action(async (name: string, options: ClientOptions & { readonly json?: true }) => {
      const secrets = parseSecrets(await new Client(options).json(secretPath(name)));
      if (options.json) terminal.out(JSON.stringify(secrets, null, 2));
      else if (secrets.length === 0) terminal.err(`'${name}' has no secrets`);
      else
        for (const line of tableLines([["name", "set at"], ...secrets.map((one) => [one.name, one.setAt])]))
          terminal.out(line);
    });
  addClientOptions(command.command("remove"))
    .alias("rm")
    .description("remove a secret")
    .argument("<function>", "deployed function")
    .argument("<key>", "name of the secret")
    .action(async (name: string, key: string, options: ClientOptions) => {
      await new Client(options).request(secretPath(name, key), { method: "DELETE" });
      terminal.err(`Removed secret '${key}' of '${name}'`);
    });
}

function secretPath(name: string, key?: string): string {
  const all = `/v1/functions/${encodeURIComponent(name)}/secrets`;
  return key === undefined ? all : `${all}/${encodeURIComponent(key)}`;
}

async function fileValue(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new DawnletError("INVALID_ARGUMENT", `Cannot read the secret of '${path}'`, { cause });
  }
}

/** All of stdin. `echo` and editors end it with a line break that is not meant. */
async function typedValue({ terminal, input }: CliContext): Promise<Uint8Array<ArrayBuffer>> {
  // Taken away by the next line, for who has piped something.
  terminal.status("Type the value; Enter and Ctrl-D end it");
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  for await (const piece of input()) {
    pieces.push(new Uint8Array(piece));
    sizeBytes += piece.byteLength;
    // The gateway refuses it, whatever else comes.
    if (sizeBytes > maxSecretBytes + 2) break;
  }
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
  const [beforeLast, last] = [bytes.at(-2), bytes.at(-1)];
  if (last !== 0x0a) return bytes;
  return bytes.subarray(0, beforeLast === 0x0d ? -2 : -1);
}
