/**
 * Where an adapter may come from: drivers that may be installed, in the order in which they are tried.
 * A candidate is an environment for the process that opens the device. Nothing is opened here.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Platform } from "../platform/platform.ts";
import { swiftShaderFromPackage } from "./swiftshader-package.ts";

/** What of the platform is needed to look around. */
export type AdapterHost = Pick<Platform, "files" | "environment" | "system">;

export interface AdapterCandidate {
  /** For people: "SwiftShader of /usr/lib/chromium". */
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly backend?: "null";
  /** Files and folders whose change may change what comes of it. */
  readonly files: readonly string[];
  /** Asked for as a GPU: refused where it turns out to be software. */
  readonly mustBeHardware?: boolean;
}

/** A place that was looked at and has nothing to try. */
export interface MissingCandidate {
  readonly name: string;
  readonly missing: string;
}

/** Folders in which Chromium and its relatives keep SwiftShader beside a Vulkan loader. */
const chromiumFolders = [
  "/usr/lib/chromium",
  "/usr/lib/chromium-browser",
  "/usr/lib64/chromium",
  "/usr/lib64/chromium-browser",
  "/opt/google/chrome",
  "/opt/google/chrome-beta",
  "/opt/google/chrome-unstable",
  "/opt/chromium.org/chromium",
  "/opt/microsoft/msedge",
  "/opt/brave.com/brave",
  "/snap/chromium/current/usr/lib/chromium-browser",
  "/var/lib/flatpak/app/org.chromium.Chromium/current/active/files/chromium",
];

/** Where the Vulkan loader finds the drivers of the system. */
const icdFolders = ["/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"];

/** What decides which GPU the system's drivers show. */
const gpuVariables = [
  ...[
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "VK_ADD_DRIVER_FILES",
    "VK_LOADER_DRIVERS_SELECT",
    "LD_LIBRARY_PATH",
  ],
  ...[
    "MESA_VK_DEVICE_SELECT",
    "DRI_PRIME",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
  ],
  ...["NVIDIA_DRIVER_CAPABILITIES", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS", "DISPLAY", "WAYLAND_DISPLAY"],
];

const icdName = "vk_swiftshader_icd.json";
const loaderName = "libvulkan.so.1";

/**
 * The candidates for a wish, each found only when the one before it was of no use.
 * @param wish `gpu` or `all` (find-adapters.ts tells them apart), `swiftshader`, `lavapipe`, `null`, or the path of an ICD's JSON file; left out: whatever works.
 * @throws DawnletError INVALID_ARGUMENT where the wish is none of these.
 */
export function adapterCandidates(
  host: AdapterHost,
  wish?: string,
): AsyncGenerator<AdapterCandidate | MissingCandidate> {
  switch (wish) {
    case undefined:
    case "":
      return inOrder(
        () => systemGpu(host, false),
        () => swiftShader(host),
        () => lavapipe(host),
      );
    case "gpu":
    case "all":
      return inOrder(() => systemGpu(host, true));
    case "swiftshader":
      return inOrder(() => swiftShader(host));
    case "lavapipe":
      return inOrder(() => lavapipe(host));
    case "null":
      return inOrder(nullBackend);
    default:
      if (/[/\\]/.test(wish) && wish.endsWith(".json")) return inOrder(() => namedDriver(host, wish));
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot use the adapter '${wish}': expected gpu, all, swiftshader, lavapipe, null, or the path of an ICD's .json file`,
      );
  }
}

type Source = () => AsyncGenerator<AdapterCandidate | MissingCandidate>;

async function* inOrder(...sources: readonly Source[]): AsyncGenerator<AdapterCandidate | MissingCandidate> {
  for (const source of sources) yield* source();
}

async function* nullBackend(): AsyncGenerator<AdapterCandidate> {
  yield { name: "Dawn's null backend", environment: {}, backend: "null", files: [] };
}

async function* systemGpu(host: AdapterHost, mustBeHardware: boolean): AsyncGenerator<AdapterCandidate> {
  const environment = inherited(host, gpuVariables);
  const named = (environment.VK_DRIVER_FILES ?? environment.VK_ICD_FILENAMES ?? "")
    .split(":")
    .filter(Boolean);
  const files = [...named, ...icdFolders, "/dev/dri", "/dev/nvidia0", "/dev/kfd"];
  const name = "the system's GPU";
  yield { name, environment, files, mustBeHardware };
  // A machine can have a GPU's driver without a Vulkan loader: Chromium's finds the same drivers.
  if (host.system.name !== "linux" || (named.length === 0 && (await icds(host, /\.json$/)).length === 0))
    return;
  for (const loader of await loaders(host)) {
    const withLoader = { ...environment, LD_LIBRARY_PATH: joinPaths(environment.LD_LIBRARY_PATH, loader) };
    yield {
      name: `${name} with the Vulkan loader of ${loader}`,
      environment: withLoader,
      files,
      mustBeHardware,
    };
  }
}

async function* swiftShader(host: AdapterHost): AsyncGenerator<AdapterCandidate | MissingCandidate> {
  if (host.system.name !== "linux") {
    yield { name: "SwiftShader", missing: "it is looked for on Linux only" };
    return;
  }
  let found = 0;
  for (const folder of chromiumFolders) {
    if (!(await host.files.stat(`${folder}/${icdName}`))) continue;
    found++;
    yield driver(host, `SwiftShader of ${folder}`, `${folder}/${icdName}`, folder);
  }
  if (found === 0)
    yield { name: "SwiftShader of Chromium", missing: `no ${icdName} in ${chromiumFolders.join(", ")}` };
  const name = "SwiftShader of the package '@sparticuz/chromium'";
  const unpacked = await swiftShaderFromPackage(host);
  if ("missing" in unpacked) yield { name, missing: unpacked.missing };
  else yield driver(host, name, `${unpacked.folder}/${icdName}`, unpacked.folder);
}

async function* lavapipe(host: AdapterHost): AsyncGenerator<AdapterCandidate | MissingCandidate> {
  const found = await icds(host, /^lvp_icd.*\.json$/);
  if (found.length === 0) yield { name: "lavapipe", missing: `no lvp_icd*.json in ${icdFolders.join(", ")}` };
  for (const icd of found) {
    yield driver(host, `lavapipe (${icd})`, icd);
    for (const loader of await loaders(host)) {
      yield driver(host, `lavapipe (${icd}) with the Vulkan loader of ${loader}`, icd, loader);
    }
  }
}

async function* namedDriver(
  host: AdapterHost,
  icd: string,
): AsyncGenerator<AdapterCandidate | MissingCandidate> {
  if (!(await host.files.stat(icd))) {
    yield { name: icd, missing: "there is no such file" };
    return;
  }
  const folder = icd.replace(/[/\\][^/\\]*$/, "");
  if (await host.files.stat(`${folder}/${loaderName}`)) yield driver(host, icd, icd, folder);
  else yield driver(host, icd, icd);
  for (const loader of await loaders(host))
    yield driver(host, `${icd} with the Vulkan loader of ${loader}`, icd, loader);
}

/** A candidate for one driver, whatever else is installed. */
function driver(host: AdapterHost, name: string, icd: string, loaderFolder?: string): AdapterCandidate {
  const own = inherited(host, ["LD_LIBRARY_PATH"]);
  return {
    name,
    environment: {
      ...own,
      VK_DRIVER_FILES: icd,
      VK_ICD_FILENAMES: icd,
      ...(loaderFolder ? { LD_LIBRARY_PATH: joinPaths(own.LD_LIBRARY_PATH, loaderFolder) } : {}),
      // Any folder: drivers complain where it is not set.
      XDG_RUNTIME_DIR: host.environment("XDG_RUNTIME_DIR") || "/tmp",
    },
    files: [icd, ...(loaderFolder ? [`${loaderFolder}/${loaderName}`] : [])],
  };
}

async function icds(host: AdapterHost, pattern: RegExp): Promise<string[]> {
  const found: string[] = [];
  for (const folder of icdFolders) {
    for (const name of await host.files.list(folder)) if (pattern.test(name)) found.push(`${folder}/${name}`);
  }
  return found;
}

/** The first folder with a Vulkan loader that is not the system's. */
async function loaders(host: AdapterHost): Promise<readonly string[]> {
  for (const folder of chromiumFolders) if (await host.files.stat(`${folder}/${loaderName}`)) return [folder];
  const unpacked = await swiftShaderFromPackage(host);
  return "missing" in unpacked ? [] : [unpacked.folder];
}

function inherited(host: AdapterHost, names: readonly string[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of names) {
    const value = host.environment(name);
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

function joinPaths(first: string | undefined, second: string): string {
  if (first?.split(":").includes(second)) return first;
  return first ? `${first}:${second}` : second;
}
