/**
 * `dawnlet inspect`: what a function's Programs do, how many bytes they touch, what they ask of a device; what a handler
 * may use.
 */
import type { Command } from "commander";
import { formatBytes, formatError, tableLines } from "../text.ts";
import { addClientOptions, Client, type ClientOptions } from "./client.ts";
import { batchingText, engineText, parameterText, tensorText, usesText } from "./describe-version.ts";
import {
  type HandlerReply,
  type InspectionReply,
  type ProgramReply,
  parseInspection,
  parseVersion,
  type VersionReply,
} from "./replies.ts";
import type { CliContext } from "./terminal.ts";

interface InspectOptions extends ClientOptions {
  readonly version?: string;
  readonly json?: true;
}

export function addInspect(program: Command, { terminal }: CliContext): void {
  addClientOptions(program.command("inspect"))
    .description(
      "show what a function is made of: a Program's steps, bytes, memory, requirements; a handler's files, uses, limits",
    )
    .argument("<name>", "deployed function")
    .option("--version <version>", "number or digest of an older version")
    .option("--json", "print JSON")
    .action(async (name: string, options: InspectOptions) => {
      const query = options.version === undefined ? "" : `?version=${encodeURIComponent(options.version)}`;
      const path = `/v1/functions/${encodeURIComponent(name)}/program${query}`;
      const answer = await new Client(options).json(path);
      if (options.json) {
        terminal.out(JSON.stringify(answer, null, 2));
        return;
      }
      const version = parseVersion(answer);
      const inspection = parseInspection(answer);
      for (const line of [...versionLines(version), ...inspectionLines(inspection)]) terminal.out(line);
    });
}

function versionLines(version: VersionReply): string[] {
  const { inputs, outputs, parameters } = version.signature;
  return [
    `${version.name} version ${version.version}, ${version.kind}, ${formatBytes(version.sizeBytes)}, deployed ${version.createdAt}`,
    ...(version.tenant === undefined ? [] : [`tenant      ${version.tenant}`]),
    `digest      ${version.digest}`,
    `engine      ${engineText(version)}`,
    ...(version.misfits ?? []).map(({ device, reason }) => `not on ${device.padEnd(5)}${reason}`),
    ...(version.batching === undefined ? [] : [`batch       ${batchingText(version.batching)}`]),
    ...inputs.map((input) => `input       ${tensorText(input)}`),
    ...outputs.map((output) => `output      ${tensorText(output)}`),
    ...parameters.map((parameter) => `parameter   ${parameterText(parameter)}`),
  ];
}

function inspectionLines(inspection: InspectionReply): string[] {
  switch (inspection.kind) {
    case "wgsl": {
      const { files, programs } = inspection;
      const head = `files       ${files.join(", ")}`;
      if (programs.length === 0)
        return [head, "", "No Program yet: one is built when a call brings its sizes."];
      return [head, ...programs.flatMap((program) => ["", ...programLines(program)])];
    }
    case "onnx": {
      const { dimensions, modelBytes, variants } = inspection;
      const free = dimensions.length === 0 ? "" : `, free dimensions ${dimensions.join(", ")}`;
      const head = `model       ${formatBytes(modelBytes)}${free}`;
      if (variants.length === 0)
        return [head, "", "No Program yet: one is compiled when a call brings its sizes."];
      return [head, ...variants.flatMap((variant) => ["", ...variantLines(variant)])];
    }
    case "handler":
      return handlerLines(inspection);
    default:
      return inspection satisfies never;
  }
}

function handlerLines(handler: HandlerReply): string[] {
  const { entry, files, uses, hosts, secrets, limits, instances, running, waiting } = handler;
  const { starts, startMs } = handler;
  const limit = ([name, value]: readonly [string, number]) =>
    `${name} ${name.endsWith("Bytes") ? formatBytes(value) : value}`;
  return [
    `entry       ${entry}`,
    `files       ${files.join(", ")}`,
    `uses        ${usesText(uses).join(", ") || "no function"}`,
    `hosts       ${hosts.join(", ") || "none"}`,
    `secrets     ${secrets.join(", ") || "none"}`,
    `limits      ${Object.entries(limits).map(limit).join(", ")}`,
    `instances   ${instances}, with ${running} requests running and ${waiting} waiting`,
    `starts      ${starts}${startMs === undefined ? "" : `, each about ${startMs} ms`}`,
  ];
}

type Variant = Extract<InspectionReply, { kind: "onnx" }>["variants"][number];

function variantLines(variant: Variant): string[] {
  const sizes = Object.entries(variant.dimensions).map(([name, size]) => `${name} = ${size}`);
  const head = `variant     ${sizes.join(", ") || "the only one"}`;
  if (variant.type === "fallback") return [head, `fallback    ${variant.reason}`];
  return [head, `error       ${formatError(variant.maxAbsoluteError)}`, ...programLines(variant.program)];
}

function programLines(program: ProgramReply): string[] {
  const { memory, steps } = program;
  const slots = memory.slotBytes.reduce((sum, bytes) => sum + bytes, 0);
  const io = (list: ProgramReply["inputs"]) => list.map(tensorText).join(", ") || "none";
  const requirements = Object.entries(program.requirements).map(([name, value]) => `${name} ${value}`);
  const heading = ["step", "what", "reads", "writes"];
  const rows = steps.map(({ step, what, readBytes, writtenBytes }) => [
    String(step),
    what,
    formatBytes(readBytes),
    formatBytes(writtenBytes),
  ]);
  return [
    `Program     ${io(program.inputs)} → ${io(program.outputs)}`,
    `work        ${program.dispatches} dispatches, ${program.pipelines} pipelines, ${program.shaders} shaders, binds ${formatBytes(program.boundBytes)} a run`,
    `memory      weights ${formatBytes(memory.weightBytes)}, ${memory.slotBytes.length} slots ${formatBytes(slots)}, constants ${formatBytes(memory.constantBytes)}`,
    `needs       ${[...program.features, ...requirements].join(", ") || "nothing special"}`,
    "",
    ...tableLines([heading, ...rows]),
  ];
}
