/** Compiles a bundle's shaders on the device at deploy, so that mistakes are known before the first call. */
import { DawnletError } from "../../kernels/errors.ts";
import type { Resolved, WgslBundle } from "../../kernels/manifest/bundle.ts";
import { flatSteps } from "../../kernels/program/analyze.ts";
import type { Program } from "../../kernels/program/program.ts";
import type { DeviceDescription } from "../../runtime/device/api.ts";
import type { Backends } from "./servable.ts";

/** Sizes to try for free dimensions: a bundle may constrain them to be equal, or multiples of something. */
export const trialSizes = [64, 16, 4, 3, 1] as const;

/**
 * Before anything else looks at the shaders: the compiler's words are the most precise.
 * @throws DawnletError INVALID_SHADER with file, line and column.
 */
export async function checkShaders(
  files: ReadonlyMap<string, Uint8Array>,
  { device }: Backends,
): Promise<void> {
  for (const [path, bytes] of files) {
    if (!path.endsWith(".wgsl")) continue;
    const errors = await device.checkShader(new TextDecoder().decode(bytes));
    const lines = errors.map(({ line, column, message }) => `${path}:${line}:${column}: ${message}`);
    if (lines.length > 0) throw new DawnletError("INVALID_SHADER", `Cannot compile ${lines.join("\n")}`);
  }
}

/**
 * Loads a Program of small sizes and unloads it again: entry points, constants, layouts and limits fit a device.
 * @throws DawnletError INVALID_SHADER, LIMIT_EXCEEDED.
 */
export async function checkProgram(bundle: WgslBundle, digest: string, { device }: Backends): Promise<void> {
  const program = trialCall(bundle)?.program;
  if (program === undefined) return;
  checkLimits(program, await device.describeEach());
  // Shaders and bindings are the question, not the constants.
  const withoutSteps = {
    ...program,
    buffers: program.buffers.map((b) => (b.type === "weight" ? asTemporary(b.sizeBytes) : b)),
  };
  await device.check({
    id: `check:${digest}`,
    weights: [],
    isDivisible: false,
    options: { writesBeforeReads: true },
    readJson: async () => new TextEncoder().encode(JSON.stringify(withoutSteps)),
  });
}

function asTemporary(sizeBytes: number) {
  return { type: "temporary", sizeBytes } as const;
}

/** The limits that people meet, by the kernel's name; each device checks all of them. */
function checkLimits(program: Program, devices: readonly DeviceDescription[]): void {
  const each = devices.map(({ limits }) => limits.maxStorageBuffersPerShaderStage ?? Infinity);
  const allowed = Math.max(...each);
  for (const step of flatSteps(program)) {
    if (step.type !== "dispatch") continue;
    const bound = step.bindings.filter(({ access }) => access !== "uniform").length;
    if (bound <= allowed) continue;
    const { entryPoint } = program.pipelines[step.pipeline]!;
    throw new DawnletError(
      "LIMIT_EXCEEDED",
      `Kernel '${entryPoint}' binds ${bound} storage buffers: ${each.length > 1 ? "no device allows more than" : "this device allows"} ${allowed}`,
    );
  }
}

/**
 * A call of the bundle with some sizes, and its Program; undefined where none of the trial sizes fits.
 * @throws DawnletError of what is wrong whatever the sizes are.
 */
export function trialCall(
  bundle: WgslBundle,
): { readonly resolved: Resolved; readonly program: Program } | undefined {
  const { inputs } = bundle.signature;
  const values = trialParameters(bundle);
  let refusal: DawnletError | undefined;
  for (const size of trialSizes) {
    const shapes = Object.fromEntries(
      inputs.map(({ name, shape }) => [name, shape.map((d) => (typeof d === "number" ? d : size))]),
    );
    try {
      const resolved = bundle.resolve(shapes, values);
      return { resolved, program: bundle.build(resolved) };
    } catch (error) {
      if (!(error instanceof DawnletError)) throw error;
      refusal = error;
    }
  }
  // The smallest sizes are the last ones. A bundle may refuse them all, but then it calls them wrong arguments.
  if (refusal !== undefined && refusal.code !== "INVALID_ARGUMENT") throw refusal;
  return undefined;
}

/** Parameters that have no default, with values that they may take. */
export function trialParameters({ signature }: WgslBundle): Readonly<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const { name, default: stated, minimum } of signature.parameters)
    if (stated === undefined) values[name] = minimum ?? 1;
  return values;
}
