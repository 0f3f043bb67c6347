/** `dawnlet deploy`: sends a folder, a zip, a model, a shader or a handler, and tells how it goes. */
import type { Command } from "commander";
import { DawnletError } from "../../kernels/errors.ts";
import { isRecord } from "../tensors/json-text.ts";
import { formatBytes } from "../text.ts";
import { type BundleSource, openBundleSource } from "./bundle-source.ts";
import { addClientOptions, Client, type ClientOptions, errorOf } from "./client.ts";
import { curlLine } from "./curl-line.ts";
import { engineText, parameterText, tensorText, usesText } from "./describe-version.ts";
import { linesOf } from "./lines-of.ts";
import { type DeployReply, parseDeployResult } from "./replies.ts";
import type { CliContext, Terminal } from "./terminal.ts";

export function addDeploy(program: Command, { terminal }: CliContext): void {
  addClientOptions(program.command("deploy"))
    .description("deploy a folder, a .zip, an .onnx or a .wgsl file, or a handler (.ts, .tsx, .js, .mjs)")
    .argument("<path>", "what to deploy")
    .option("--name <name>", "name of the function (default: that of the file or folder)")
    .action(async (path: string, options: ClientOptions & { readonly name?: string }) => {
      const client = new Client(options);
      const source = await openBundleSource(path);
      const name = options.name ?? source.defaultName;
      if (name === "")
        throw new DawnletError(
          "INVALID_ARGUMENT",
          `Cannot make a function's name of '${path}': give one with --name`,
        );
      const result = await send(client, name, source, terminal);
      for (const line of resultLines(client, result)) terminal.out(line);
    });
}

async function send(
  client: Client,
  name: string,
  source: BundleSource,
  terminal: Terminal,
): Promise<DeployReply> {
  const upload = new UploadProgress(source.sizeBytes, terminal);
  const body = source.open((bytes) => upload.sent(bytes));
  const response = await client.request(`/v1/functions/${encodeURIComponent(name)}`, {
    method: "PUT",
    headers: { "content-type": source.contentType, accept: "application/x-ndjson" },
    body,
  });
  let last: unknown;
  for await (const line of linesOf(response)) {
    last = JSON.parse(line);
    if (!isRecord(last) || typeof last.phase !== "string") continue;
    // The gateway's "receiving" comes before the bytes have gone: the count tells more.
    if (last.phase !== "upload") terminal.err(`${last.phase.padEnd(8)} ${String(last.message)}`);
  }
  const error = errorOf(last);
  if (error !== undefined) throw error;
  if (!isRecord(last) || last.result === undefined)
    throw new DawnletError("UNAVAILABLE", `Cannot tell whether '${name}' is deployed: the answer broke off`);
  return parseDeployResult(last.result);
}

/** Rewrites a line on a terminal; elsewhere prints one when all is sent. */
class UploadProgress {
  readonly #totalBytes: number;
  readonly #terminal: Terminal;
  #isDone = false;

  constructor(totalBytes: number, terminal: Terminal) {
    this.#totalBytes = totalBytes;
    this.#terminal = terminal;
  }

  sent(bytes: number): void {
    if (this.#isDone) return;
    const share = this.#totalBytes === 0 ? 1 : Math.min(bytes / this.#totalBytes, 1);
    const total = formatBytes(this.#totalBytes);
    const line = `upload   ${formatBytes(bytes)} of ${total}, ${Math.floor(share * 100)} %`;
    this.#isDone = bytes >= this.#totalBytes;
    if (this.#isDone) this.#terminal.err(line);
    else this.#terminal.status(line);
  }
}

function resultLines(client: Client, { function: { current }, changed }: DeployReply): string[] {
  const { name, version, kind, signature, handler } = current;
  const { inputs, outputs, parameters } = signature;
  const what = `'${name}' version ${version} (${kind}, ${formatBytes(current.sizeBytes)})`;
  return [
    changed ? `Deployed ${what}` : `Nothing to do: ${what} has exactly these bytes`,
    `engine     ${engineText(current)}`,
    ...inputs.map((input) => `input      ${tensorText(input)}`),
    ...outputs.map((output) => `output     ${tensorText(output)}`),
    ...parameters.map((parameter) => `parameter  ${parameterText(parameter)}`),
    ...(handler === undefined ? [] : usesText(handler.uses).map((text) => `uses       ${text}`)),
    ...(handler?.hosts.length ? [`hosts      ${handler.hosts.join(", ")}`] : []),
    ...(handler?.secrets.length ? [`secrets    ${handler.secrets.join(", ")}`] : []),
    `call it    ${curlLine(client, current)}`,
  ];
}
