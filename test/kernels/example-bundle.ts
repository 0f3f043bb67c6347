/**
 * The example bundles of kernels/bundles/, read from their folders and run on the test device by name:
 * typed arrays in, bytes out.
 */
import { readdir, readFile } from "node:fs/promises";
import { loadWgslBundle, type WgslBundle } from "../../kernels/manifest/bundle.ts";
import { checkProgram } from "../../kernels/program/parse.ts";
import { runProgram } from "../gpu.ts";

export interface Argument {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint32Array | Uint8Array;
}

export const exampleFolder = new URL("../../kernels/bundles/", import.meta.url);

export async function loadExample(name: string): Promise<WgslBundle> {
  const folder = new URL(`${name}/`, exampleFolder);
  const files = new Map<string, Uint8Array>();
  for (const file of await readdir(folder)) files.set(file, await readFile(new URL(file, folder)));
  return loadWgslBundle(files);
}

/** @returns the outputs' bytes by name, without padding. */
export async function runBundle(
  bundle: WgslBundle,
  inputs: Readonly<Record<string, Argument>>,
  parameters: Readonly<Record<string, number>> = {},
): Promise<Record<string, Uint8Array>> {
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
  const { program, uniforms, weights } = bundle.specialise(shapes, parameters);
  checkProgram(program);
  const tensors = bundle.signature.inputs.map(({ name }) => bytesOf(inputs[name]!.data));
  const outputs = await runProgram(program, weights, [...tensors, ...uniforms]);
  return Object.fromEntries(program.outputs.map(({ name }, i) => [name, outputs[i]!]));
}

/** The output as float32, whatever its place in the received bytes. */
export function floatsOf(bytes: Uint8Array | undefined): Float32Array {
  return new Float32Array((bytes ?? new Uint8Array()).slice().buffer);
}

function bytesOf({ buffer, byteOffset, byteLength }: Argument["data"]): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
