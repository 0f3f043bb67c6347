/** `dawnlet invoke`: calls a function with values and files, shows or writes what it gives. */
import type { Command } from "commander";
import { DawnletError } from "../../kernels/errors.ts";
import { tableLines } from "../text.ts";
import { addClientOptions, Client, type ClientOptions } from "./client.ts";
import { curlLine } from "./curl-line.ts";
import { parseCallArguments } from "./invoke-arguments.ts";
import { callRemotely, type RemoteResult } from "./open-inference-call.ts";
import { parseStatus, type StatusReply, type VersionReply } from "./replies.ts";
import { jsonOf, tensorLines } from "./show-tensor.ts";
import type { CliContext, Terminal } from "./terminal.ts";
import { tensorWriter, writeTensor } from "./write-tensor.ts";

interface InvokeOptions extends ClientOptions {
  readonly version?: string;
  readonly shape?: readonly string[];
  /** `-o`: a file. */
  readonly out?: string;
  /** `--output`: names. */
  readonly output?: readonly string[];
  readonly json?: true;
  readonly times?: true;
}

export function addInvoke(program: Command, { terminal }: CliContext): void {
  addClientOptions(program.command("invoke"))
    .description("call a function")
    .argument("<name>", "deployed function")
    .argument("[values...]", "x=[1,2,3]  x=@x.npy  x=@x.json  x=@x.png  x=@x.bin  a=2")
    .option("--version <version>", "number or digest of an older version")
    .option("--shape <name=shape>", "shape of a raw file, such as x=1,3,224,224", collect)
    .option("--output <name>", "output that is wanted (default: all)", collect)
    .option("-o, --out <file>", "write the output to a .npy, .json, .bin or .png file")
    .option("--json", "print JSON")
    .option("--times", "print where the time went")
    .action((name: string, values: string[], options: InvokeOptions) =>
      invoke(name, values, options, terminal),
    );
}

function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

async function invoke(
  name: string,
  values: readonly string[],
  options: InvokeOptions,
  terminal: Terminal,
): Promise<void> {
  const client = new Client(options);
  const called = versionOf(
    parseStatus(await client.json(`/v1/functions/${encodeURIComponent(name)}`)),
    options.version,
  );
  const { kind, signature } = called;
  if (kind === "handler")
    throw new DawnletError(
      "UNSUPPORTED",
      `Cannot call function '${name}' with values as it is a handler: send it a request, such as ${curlLine(client, called)}`,
    );
  const given = await parseCallArguments(name, signature, values, options.shape);
  if (options.out !== undefined) checkOneOutput(name, options.out, options.output ?? signature.outputs);
  const { version, output: outputs } = options;
  const result = await callRemotely(client, { name, version, outputs, ...given });
  if (options.out === undefined) show(result, options, terminal);
  else {
    for (const [output, tensor] of result.outputs) {
      await writeTensor(options.out, output, tensor);
      terminal.err(`Wrote ${output} ${tensor.dataType} [${tensor.shape.join(", ")}] to ${options.out}`);
    }
  }
  if (options.times) {
    const rows = result.times.map(([hop, ms]) => [hop, `${ms.toFixed(3)} ms`]);
    for (const line of tableLines(rows)) terminal.err(line);
  }
}

/** A version that is unknown here is asked for all the same: the gateway says which there are. */
function versionOf({ current, versions }: StatusReply, wanted: string | undefined): VersionReply {
  if (wanted === undefined) return current;
  return (
    versions.find(({ version, digest }) => `${version}` === wanted || digest.startsWith(wanted)) ?? current
  );
}

function checkOneOutput(
  name: string,
  path: string,
  outputs: ReadonlyArray<string | { readonly name: string }>,
): void {
  tensorWriter(path);
  if (outputs.length === 1) return;
  const names = outputs.map((output) => (typeof output === "string" ? output : output.name));
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot write ${path} as function '${name}' gives ${names.length} outputs: choose one with --output, of ${names.join(", ")}`,
  );
}

function show({ outputs }: RemoteResult, options: InvokeOptions, terminal: Terminal): void {
  if (options.json) {
    const fields = [...outputs].map(([name, tensor]) => `${JSON.stringify(name)}: ${jsonOf(name, tensor)}`);
    terminal.out(`{${fields.join(", ")}}`);
    return;
  }
  for (const [name, tensor] of outputs) for (const line of tensorLines(name, tensor)) terminal.out(line);
}
