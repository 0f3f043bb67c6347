/**
 * Real models and ONNX's own test cases, which lie beside the project and are no part of it.
 * Where they are missing, suites say so and what to put there; they do not pass silently.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Tensor } from "../../../kernels/tensor.ts";
import { decodeTensorProto } from "../../../models/onnx/model.ts";
import { readTensor } from "../../../models/onnx/tensor.ts";

/** Files beside the project. */
export const sharedFolder = join(import.meta.dirname, "../../../../shared");

/** Why tests on shared files cannot run; undefined where they can. */
export const missingFiles = existsSync(join(sharedFolder, "onnx-backend"))
  ? undefined
  : `no folder '${sharedFolder}/onnx-backend' (onnx/onnx, onnx/backend/test/data)`;

if (missingFiles !== undefined) console.warn(`Skipped: tests on real models, as there is ${missingFiles}`);

/** Every model beside the project, by path. */
export function sharedModels(): readonly string[] {
  return globSync(join(sharedFolder, "{models,onnx-backend}/**/*.onnx")).sort();
}

export function readShared(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}

/** One of ONNX's test cases: a model, its inputs in the order of the graph's, and what must come out. */
export interface BackendCase {
  readonly name: string;
  readonly model: Uint8Array;
  /** Undefined: `arange(n) / n` in the shape of the one input, as the `light` models want it. */
  readonly inputs: readonly (() => Tensor)[] | undefined;
  readonly outputs: readonly (() => Tensor)[];
}

export function backendCases(): readonly BackendCase[] {
  const folders = globSync(join(sharedFolder, "onnx-backend/{simple,pytorch-operator}/*/model.onnx")).sort();
  const light = globSync(join(sharedFolder, "onnx-backend/light/*.onnx")).sort();
  return [
    ...folders.map((path) => {
      const data = join(dirname(path), "test_data_set_0");
      const files = (kind: string) =>
        globSync(join(data, `${kind}_*.pb`))
          .sort()
          .map(tensorFile);
      const name = basename(dirname(path));
      return { name, model: readShared(path), inputs: files("input"), outputs: files("output") };
    }),
    ...light.map((path) => ({
      name: basename(path, ".onnx"),
      model: readShared(path),
      inputs: undefined,
      outputs: [tensorFile(path.replace(/\.onnx$/, "_output_0.pb"))],
    })),
  ];
}

function tensorFile(path: string): () => Tensor {
  return () => readTensor(decodeTensorProto(readShared(path)));
}
