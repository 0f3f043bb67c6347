/** `dawnlet profile`: measures what a function answers with parts of a device, prints it, and says where its picture is. */
import { writeFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { DawnletError } from "../../kernels/errors.ts";
import { type HeatMapQuantity, heatMap, heatMapQuantities } from "../scheduler/profile/heat-map.ts";
import { type MeasuredProfile, parseMeasuredProfile } from "../scheduler/profile/measured-profile.ts";
import { measuredLines } from "../scheduler/profile/measured-text.ts";
import { isRecord } from "../tensors/json-text.ts";
import { addClientOptions, Client, type ClientOptions, errorOf } from "./client.ts";
import { parseSomeArguments } from "./invoke-arguments.ts";
import { linesOf } from "./lines-of.ts";
import { parseCount } from "./option-values.ts";
import { parseStatus } from "./replies.ts";
import { jsonOf } from "./show-tensor.ts";
import type { CliContext, Terminal } from "./terminal.ts";

interface ProfileOptions extends ClientOptions {
  readonly input?: readonly string[];
  readonly size?: Readonly<Record<string, number>>;
  readonly seconds?: number;
  readonly lanes?: number;
  readonly batches?: readonly number[];
  readonly quotas?: readonly number[];
  readonly device?: string;
  readonly stored?: true;
  readonly svg?: string;
  readonly figure: HeatMapQuantity;
  readonly json?: true;
}

export function addProfile(program: Command, { terminal }: CliContext): void {
  addClientOptions(program.command("profile"))
    .description("measure throughput and latency of a function by time, space and batch size")
    .argument("<function>", "deployed function")
    .option("--input <name=value>", "an input or parameter, as for invoke (default: made up)", collect)
    .option("--size <name=count>", "size of a free dimension (default: 1)", collectSizes)
    .option("--seconds <seconds>", "time for all of it (default: 60)", parseSeconds)
    .option("--quotas <shares>", "shares of time (default: 0.2,0.4,0.6,0.8,1)", parseNumbers)
    .option("--lanes <count>", "most runs side by side that are tried (default: 16)", parseCount)
    .option("--batches <sizes>", "calls a run (default: 1,2,4,8,16)", parseNumbers)
    .option("--device <id>", "device to measure on (default: the first that can run it)")
    .option("--stored", "show what was measured last")
    .option("--svg <file>", "write the picture to a file")
    .addOption(
      new Option("--figure <figure>", "what the picture shows")
        .choices(heatMapQuantities)
        .default("throughput"),
    )
    .option("--json", "print JSON")
    .action(async (name: string, options: ProfileOptions) => {
      const client = new Client(options);
      const profile = options.stored
        ? parseProfileReply(await client.json(`${pathOf(name)}${queryOf({ device: options.device })}`))
        : await measure(client, name, options, terminal);
      if (options.json) terminal.out(JSON.stringify(profile, null, 2));
      else for (const line of measuredLines(profile)) terminal.out(line);
      const { figure, svg, device } = options;
      if (svg !== undefined) await writeFile(svg, heatMap(profile, figure));
      const picture = svg ?? `${client.url}${pathOf(name)}.svg${queryOf({ figure, device })}`;
      terminal.err(`Picture: ${picture}`);
    });
}

async function measure(
  client: Client,
  name: string,
  options: ProfileOptions,
  terminal: Terminal,
): Promise<MeasuredProfile> {
  const response = await client.request(pathOf(name), {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: new TextEncoder().encode(await requestJson(client, name, options)),
  });
  let last: unknown;
  for await (const line of linesOf(response)) {
    last = JSON.parse(line);
    if (!isRecord(last) || typeof last.phase !== "string") continue;
    const text = `${last.phase.padEnd(8)} ${String(last.message)}`;
    // Each figure stands in the table: lines of them are for who looks on.
    if (last.phase === "measure") terminal.status(text);
    else terminal.err(text);
  }
  const error = errorOf(last);
  if (error !== undefined) throw error;
  if (!isRecord(last) || last.result === undefined)
    throw new DawnletError("UNAVAILABLE", `Cannot read the profile of '${name}': the answer broke off`);
  return parseProfileReply(last.result);
}

/** Tensors are JSON text already. */
async function requestJson(client: Client, name: string, options: ProfileOptions): Promise<string> {
  const { input = [], size, seconds, lanes, batches, quotas, device } = options;
  const plain = { seconds, lanes, batches, quotas, device, dimensions: size };
  if (input.length === 0) return JSON.stringify(plain);
  const { current } = parseStatus(await client.json(`/v1/functions/${encodeURIComponent(name)}`));
  const { inputs, parameters } = await parseSomeArguments(name, current.signature, input);
  const fields = Object.entries(inputs).map(
    ([key, tensor]) => `${JSON.stringify(key)}:${jsonOf(key, tensor)}`,
  );
  return `${JSON.stringify({ ...plain, parameters }).slice(0, -1)},"inputs":{${fields.join()}}}`;
}

/** @throws DawnletError UNSUPPORTED for what another version of Dawnlet answers. */
function parseProfileReply(value: unknown): MeasuredProfile {
  try {
    return parseMeasuredProfile(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DawnletError(
      "UNSUPPORTED",
      `Cannot read the gateway's profile: ${reason}. Is it another version of Dawnlet?`,
      { cause },
    );
  }
}

function pathOf(name: string): string {
  return `/v1/functions/${encodeURIComponent(name)}/profile`;
}

function queryOf(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]));
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

function collectSizes(
  text: string,
  earlier: Readonly<Record<string, number>> | undefined,
): Readonly<Record<string, number>> {
  const [, name, size] = /^(.+)=(\d+)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("expected name=count");
  return { ...earlier, [name]: Number(size) };
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== "" && seconds > 0 && Number.isFinite(seconds)) return seconds;
  throw new InvalidArgumentError("expected a number of seconds");
}

function parseNumbers(text: string): readonly number[] {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (numbers.every(Number.isFinite)) return numbers;
  throw new InvalidArgumentError("expected numbers with commas between them");
}
