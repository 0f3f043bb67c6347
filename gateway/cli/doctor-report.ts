/** A diagnosis, and the same in words. */
import type { Checkup } from "../../runtime/adapter/checkup.ts";
import type { AdapterSurvey } from "../../runtime/adapter/survey.ts";
import type { AdapterDescription } from "../../runtime/device/api.ts";
import { formatBytes, tableLines } from "../text.ts";
import type { DataFolderState } from "./data-folder-state.ts";

export interface Diagnosis {
  readonly canRun: boolean;
  readonly versions: Readonly<Record<string, string>>;
  readonly system: string;
  readonly survey: AdapterSurvey;
  /** Those that `serve --adapter all` would use. */
  readonly gpus: readonly AdapterDescription[];
  /** Absent where there is no adapter; a text where the adapter failed under it. */
  readonly checkup?: Checkup | { readonly failure: string };
  readonly data: DataFolderState;
}

/** Those that decide which Programs run; a browser's page has the same names. */
const telling = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
] as const;

const features = ["shader-f16", "subgroups", "timestamp-query"] as const;

export function doctorLines(diagnosis: Diagnosis): string[] {
  const { versions, system, survey, gpus, checkup, data, canRun } = diagnosis;
  const { chosen, candidates, advice } = survey;
  return [
    "Versions",
    ...indented(tableLines([...Object.entries(versions), ["system", system]])),
    "Adapters",
    ...candidates.map(({ name, problem, description }) => {
      const mark = problem === undefined ? "works" : "no   ";
      return `  ${mark}  ${name}: ${problem ?? (description && adapterText(description))}`;
    }),
    ...(chosen ? ["Chosen", ...indented(chosenLines(chosen.name, chosen.description))] : []),
    ...(gpus.length > 1 ? ["GPUs, all used by serve --adapter all", ...indented(gpus.map(adapterText))] : []),
    ...(checkup ? ["Checkup", ...indented(checkupLines(checkup))] : []),
    "Data folder",
    ...indented(dataLines(data)),
    "",
    ...(canRun ? ["Functions can run here."] : ["Functions cannot run here.", ...(advice ? [advice] : [])]),
  ];
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function adapterText({ adapter }: AdapterDescription): string {
  const { device, description, isSoftware, implementation, backend } = adapter;
  const name = [device, description].filter(Boolean).join(", ") || adapter.vendor || "without a name";
  const nothing = backend === "null" ? "; computes nothing" : "";
  return `${name} (${implementation}, ${isSoftware ? "software" : "hardware"}${nothing})`;
}

function chosenLines(name: string, description: AdapterDescription): string[] {
  const has = new Set(description.features);
  const limits = telling.flatMap((limit) => {
    const value = description.limits[limit];
    if (value === undefined) return [];
    return [[limit, /Size$/.test(limit) ? formatBytes(value) : String(value)]];
  });
  return [
    `${name}: ${adapterText(description)}`,
    ...(description.adapter.isSoftware
      ? ["It is software, a CPU: results are right, but nothing is fast."]
      : []),
    ...tableLines(limits),
    `features: ${features.map((feature) => (has.has(feature) ? feature : `no ${feature}`)).join(", ")}`,
  ];
}

function checkupLines(checkup: Checkup | { readonly failure: string }): string[] {
  if ("failure" in checkup) return [`The adapter failed: ${checkup.failure}`];
  const { wrongHalves, upload } = checkup;
  const rate = `${formatBytes(upload.bytesPerSecond)}/s`;
  return [
    halvesText(wrongHalves),
    `upload: ${rate}, writeBuffer of ${formatBytes(upload.sizeBytes)}, median of ${upload.runs}`,
  ];
}

function halvesText(wrongHalves: number | null): string {
  if (wrongHalves === null) return "16-bit floats: this adapter has none (no shader-f16)";
  if (wrongHalves === 0) return "16-bit floats: right";
  return `16-bit floats: WRONG in ${wrongHalves} of 512 results; do not deploy shaders and models that use them`;
}

function dataLines({ path, state, sizeBytes, damaged, lockedBy }: DataFolderState): string[] {
  return [
    `${path}: ${state}${sizeBytes > 0 ? `, ${formatBytes(sizeBytes)}` : ""}`,
    ...(damaged > 0
      ? [`${damaged} damaged records were set aside in ${path}/damaged: deploy those functions again`]
      : []),
    ...(lockedBy.length > 0
      ? [`locked by process ${lockedBy.join(", ")}: a gateway that runs, or one that was killed`]
      : []),
  ];
}
