/** `dawnlet doctor`: whether functions can run here, on what, and what is missing if they cannot. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { examineAdapter } from "../../runtime/adapter/checkup.ts";
import { findAdapters } from "../../runtime/adapter/find-adapters.ts";
import { surveyAdapters } from "../../runtime/adapter/survey.ts";
import type { Platform } from "../../runtime/platform/platform.ts";
import { defaultDataFolder } from "./data-folder.ts";
import { examineDataFolder } from "./data-folder-state.ts";
import { type Diagnosis, doctorLines } from "./doctor-report.ts";
import type { CliContext } from "./terminal.ts";

interface DoctorOptions {
  readonly data?: string;
  readonly adapter?: string;
  readonly implementation?: "dawn" | "native";
  readonly json?: true;
}

export function addDoctor(program: Command, context: CliContext): void {
  const { terminal } = context;
  program
    .command("doctor")
    .description("find out whether functions can run on this machine")
    .addOption(new Option("--data <folder>", "data folder to look at").env("DAWNLET_DATA"))
    .addOption(
      new Option("--adapter <which>", "gpu, swiftshader, lavapipe, null, or an ICD's .json file").env(
        "DAWNLET_ADAPTER",
      ),
    )
    .addOption(new Option("--implementation <which>", "implementation of WebGPU").choices(["dawn", "native"]))
    .option("--json", "print JSON")
    .action(async (options: DoctorOptions) => {
      if (!options.json) terminal.status("trying every adapter …");
      const diagnosis = await diagnose(options, context);
      const lines = options.json ? [JSON.stringify(diagnosis, null, 2)] : doctorLines(diagnosis);
      for (const line of lines) terminal.out(line);
      if (!diagnosis.canRun) context.fail();
    });
}

async function diagnose(options: DoctorOptions, { platform, versions }: CliContext): Promise<Diagnosis> {
  const { adapter: wish, implementation } = options;
  const survey = await surveyAdapters(platform, { wish, implementation });
  const data = await examineDataFolder(resolve(options.data ?? defaultDataFolder(platform, resolve())));
  const isGpu = survey.chosen?.description.adapter.isSoftware === false;
  const gpus = isGpu ? await findAdapters(platform, { wishes: ["all"] }).catch(() => []) : [];
  const { name, architecture } = platform.system;
  const checkup =
    survey.chosen &&
    (await examineAdapter(platform, survey.chosen).catch((error: unknown) => ({
      failure: error instanceof Error ? error.message : String(error),
    })));
  return {
    canRun: survey.chosen !== undefined && checkup !== undefined && !("failure" in checkup) && data.isUsable,
    versions: {
      Dawnlet: versions.dawnlet,
      runtime: versions.runtime,
      webgpu: await packageVersion(platform, "webgpu"),
      "onnxruntime-web": await packageVersion(platform, "onnxruntime-web"),
    },
    system: `${name} ${architecture}`,
    survey,
    gpus: gpus.map(({ description }) => description),
    ...(checkup && { checkup }),
    data,
  };
}

async function packageVersion({ files }: Platform, name: string): Promise<string> {
  const folder = files.packageFolder(name);
  const bytes = folder && (await files.read(`${folder}/package.json`));
  if (!bytes) return "not installed";
  const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
}
