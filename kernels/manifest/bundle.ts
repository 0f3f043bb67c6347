/**
 * A WGSL bundle: `function.json`, shaders and constants, loaded once and made into a Program for each
 * set of shapes. `resolve` is what a call costs; `build` runs once for each key, whose Program the
 * caller keeps.
 */
import { DawnletError } from "../errors.ts";
import type { Program } from "../program/program.ts";
import { alignTo4, tensorBytes } from "../tensor.ts";
import { bareShaderManifest } from "./bare-shader.ts";
import { type BundleBatch, bundleBatch } from "./batch-settings.ts";
import { buildProgram } from "./build.ts";
import { type Expression, evaluate, type Scope } from "./expression.ts";
import { packBlock, packValues } from "./literals.ts";
import {
  type ConstantDeclaration,
  type Manifest,
  manifestFileName,
  readManifest,
  type TensorDeclaration,
} from "./manifest.ts";
import { type StatedMemorySettings, statedMemorySettings } from "./memory-settings.ts";
import { type Plan, planManifest } from "./plan.ts";
import { reflectShader, type ShaderModule } from "./reflect.ts";
import { type ScheduleSettings, statedScheduleSettings } from "./schedule-settings.ts";
import { bindScope } from "./scope.ts";
import type { WgslSignature } from "./signature.ts";

export type InputShapes = Readonly<Record<string, readonly number[]>>;
export type ParameterValues = Readonly<Record<string, number>>;

/** What a call comes to. Calls with the same key run the same Program, with other uniforms. */
export interface Resolved {
  readonly key: string;
  readonly scope: Scope;
  /** Bytes of the Program's inputs `$uniforms0`, `$uniforms1`, …, which follow the function's own inputs. */
  readonly uniforms: readonly Uint8Array[];
}

export interface Specialised {
  readonly program: Program;
  readonly key: string;
  readonly uniforms: readonly Uint8Array[];
  readonly weights: ReadonlyMap<string, Uint8Array>;
}

export interface WgslBundle {
  readonly memory: StatedMemorySettings;
  readonly schedule: ScheduleSettings | undefined;
  readonly description: string | undefined;
  readonly timeLimitMs: number | undefined;
  /** Undefined where calls of it run each alone. */
  readonly batch: BundleBatch | undefined;
  readonly signature: WgslSignature;
  /** Constants by digest (SHA-256, lower-case hex), padded to multiples of 4 bytes. */
  readonly weights: ReadonlyMap<string, Uint8Array>;
  /** @throws DawnletError INVALID_ARGUMENT when shapes or parameters do not fit the signature. */
  resolve(inputShapes: InputShapes, parameters: ParameterValues): Resolved;
  /** @throws DawnletError INVALID_ARGUMENT, LIMIT_EXCEEDED when no Program of those sizes can be. */
  build(resolved: Resolved): Program;
  /** `resolve` and `build` in one, for a single run. */
  specialise(inputShapes: InputShapes, parameters: ParameterValues): Specialised;
}

/**
 * @param files by path in the bundle. Without `function.json` a single `.wgsl` file is taken by the
 * convention of bare-shader.ts.
 * @throws DawnletError INVALID_BUNDLE, INVALID_SHADER
 */
export async function loadWgslBundle(files: ReadonlyMap<string, Uint8Array>): Promise<WgslBundle> {
  const manifestBytes = files.get(manifestFileName);
  if (manifestBytes === undefined) return loadBareShader(files);
  const manifest = readManifest(manifestBytes);
  const modules = new Map<string, ShaderModule>();
  for (const [name, { file }] of manifest.kernels) {
    if (!modules.has(file)) modules.set(file, readShader(files, `kernels.${name}.file`, file));
  }
  return makeBundle(manifest, modules, files);
}

async function loadBareShader(files: ReadonlyMap<string, Uint8Array>): Promise<WgslBundle> {
  const shaders = [...files.keys()].filter((file) => file.endsWith(".wgsl"));
  const [file] = shaders;
  if (file === undefined || shaders.length > 1) {
    throw new DawnletError(
      "INVALID_BUNDLE",
      `Cannot read a bundle without ${manifestFileName} as it has ${shaders.length} .wgsl files: expected one, or a manifest`,
    );
  }
  const module = readShader(files, "files", file);
  return makeBundle(bareShaderManifest(module), new Map([[file, module]]), files);
}

async function makeBundle(
  manifest: Manifest,
  modules: ReadonlyMap<string, ShaderModule>,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<WgslBundle> {
  const plan = planManifest(manifest, modules);
  const batch = bundleBatch(manifest);
  const weights = new Map<string, Uint8Array>();
  const digests = new Map<string, string>();
  for (const [name, constant] of manifest.constants) {
    const bytes = constantBytes(name, constant, files);
    const digest = await sha256(bytes);
    weights.set(digest, bytes);
    digests.set(name, digest);
  }
  const resolve = (inputShapes: InputShapes, parameters: ParameterValues): Resolved => {
    const scope = bindScope(manifest, inputShapes, parameters);
    return { key: keyOf(plan, scope), scope, uniforms: plan.blocks.map((block) => packBlock(block, scope)) };
  };
  const build = ({ scope }: Resolved): Program => buildProgram(plan, digests, scope);
  const specialise = (inputShapes: InputShapes, parameters: ParameterValues): Specialised => {
    const resolved = resolve(inputShapes, parameters);
    return { program: build(resolved), key: resolved.key, uniforms: resolved.uniforms, weights };
  };
  const { description, timeLimitMs } = manifest;
  const memory = statedMemorySettings(manifest);
  const schedule = statedScheduleSettings(manifest);
  return {
    description,
    memory,
    schedule,
    timeLimitMs,
    batch,
    signature: signatureOf(manifest),
    weights,
    resolve,
    build,
    specialise,
  };
}

/** The values that decide a Program's structure, in the order of the plan. */
function keyOf(plan: Plan, scope: Scope): string {
  let key = "";
  for (const expression of plan.structure) {
    if (expression.names.size > 0) key += `${evaluate(expression, scope)},`;
  }
  return key;
}

function signatureOf(manifest: Manifest): WgslSignature {
  const tensors = (declarations: ReadonlyMap<string, TensorDeclaration>) =>
    [...declarations].map(([name, { type, shape }]) => ({
      name,
      dataType: type,
      shape: shape.map(dimensionOf),
    }));
  return {
    inputs: tensors(manifest.inputs),
    outputs: tensors(manifest.outputs),
    parameters: [...manifest.parameters.values()],
  };
}

function dimensionOf(expression: Expression): number | string {
  return expression.names.size === 0 ? evaluate(expression, new Map()) : expression.source;
}

function readShader(files: ReadonlyMap<string, Uint8Array>, where: string, file: string): ShaderModule {
  const bytes = files.get(file);
  if (bytes === undefined) {
    throw new DawnletError(
      "INVALID_BUNDLE",
      `Cannot use ${where} of ${manifestFileName}: the bundle has no file '${file}'`,
    );
  }
  let source: string;
  try {
    source = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DawnletError("INVALID_SHADER", `Cannot read shader '${file}' as it is no UTF-8 text`);
  }
  return reflectShader(file, source);
}

function constantBytes(
  name: string,
  { type, shape, values, file }: ConstantDeclaration,
  files: ReadonlyMap<string, Uint8Array>,
): Uint8Array {
  const fail = (what: string) =>
    new DawnletError("INVALID_BUNDLE", `Cannot use constants.${name} of ${manifestFileName}: ${what}`);
  const sizes = shape.map((dimension) => evaluate(dimension, new Map()));
  if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 1)) {
    throw fail(`its shape is [${sizes.join(", ")}]: each dimension is an integer from 1`);
  }
  const expected = tensorBytes(type, sizes);
  const bytes =
    values === undefined ? files.get(file ?? "") : packValues(`constants.${name}.values`, type, values);
  if (bytes === undefined) throw fail(`the bundle has no file '${file}'`);
  if (bytes.byteLength !== expected) {
    throw fail(
      `${type} [${sizes.join(", ")}] has ${expected} bytes, and ${file ?? "'values'"} gives ${bytes.byteLength}`,
    );
  }
  const padded = new Uint8Array(alignTo4(expected));
  padded.set(bytes);
  return padded;
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return new Uint8Array(digest).toHex();
}
