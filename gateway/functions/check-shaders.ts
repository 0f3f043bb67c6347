/** Compiles a bundle's shaders on the device at deploy, so that mistakes are known before the first call. */
import { DawnletError } from "../../kernels/errors.ts";
import type { WgslBundle } from "../../kernels/manifest/bundle.ts";
import type { Program } from "../../kernels/program/program.ts";
import type { Backends } from "./servable.ts";

/** Sizes to try for free dimensions: a bundle may constrain them to be equal, or multiples of something. */
const trialSizes = [64, 16, 4, 3, 1] as const;

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
 * Loads a Program of small sizes and unloads it again: entry points, constants, layouts and limits fit the device.
 * @throws DawnletError INVALID_SHADER, LIMIT_EXCEEDED.
 */
export async function checkProgram(bundle: WgslBundle, digest: string, { device }: Backends): Promise<void> {
  const program = trialProgram(bundle);
  if (program === undefined) return;
  // Shaders and bindings are the question, not the constants.
  const withoutSteps = {
    ...program,
    buffers: program.buffers.map((b) => (b.type === "weight" ? asTemporary(b.sizeBytes) : b)),
  };
  const id = `check:${digest}`;
  await device.load({
    id,
    options: { writesBeforeReads: true },
    readJson: async () => new TextEncoder().encode(JSON.stringify(withoutSteps)),
  });
  await device.unload(id);
}

function asTemporary(sizeBytes: number) {
  return { type: "temporary", sizeBytes } as const;
}

/** A Program of the bundle for some sizes; undefined where none of the trial sizes fits. */
function trialProgram(bundle: WgslBundle): Program | undefined {
  const { inputs, parameters } = bundle.signature;
  const values: Record<string, number> = {};
  for (const parameter of parameters) {
    if (parameter.default === undefined) values[parameter.name] = parameter.minimum ?? 1;
  }
  for (const size of trialSizes) {
    const shapes = Object.fromEntries(
      inputs.map(({ name, shape }) => [name, shape.map((d) => (typeof d === "number" ? d : size))]),
    );
    try {
      return bundle.specialise(shapes, values).program;
    } catch (error) {
      if (!(error instanceof DawnletError)) throw error;
    }
  }
  return undefined;
}
