/** Cases of the example bundles: made into Programs here, their outputs expected from the references on the CPU. */
import { type Argument, loadExample } from "../kernels/example-bundle.ts";
import { complexMatmul } from "../kernels/reference/complex-matmul.ts";
import { filter } from "../kernels/reference/filter.ts";
import { jacobi } from "../kernels/reference/jacobi.ts";
import { mandelbrot } from "../kernels/reference/mandelbrot.ts";
import { matmul } from "../kernels/reference/matmul.ts";
import { sum } from "../kernels/reference/reduce.ts";
import { saxpy } from "../kernels/reference/saxpy.ts";
import { softmax } from "../kernels/reference/softmax.ts";
import { spmm } from "../kernels/reference/spmm.ts";
import { vectorAdd } from "../kernels/reference/vector-add.ts";
import { exactly, type Tolerance } from "./case.ts";
import type { Rule } from "./rules/rule.ts";
import { seededFloats } from "./seeded.ts";

type Data = Argument["data"];

interface Call {
  readonly inputs: Readonly<Record<string, Argument>>;
  readonly parameters?: Readonly<Record<string, number>>;
  readonly expected: Data | Float64Array;
}

const close: Tolerance = { type: "close", absolute: 1e-5, relative: 1e-6 };

/** A case of one bundle, of calls that are all the same Program. */
function bundleCase(name: string, tolerance: Tolerance, calls: () => readonly [Call, ...Call[]]): Rule {
  return {
    name: `the example bundle ${name} agrees with its reference`,
    async make() {
      const bundle = await loadExample(name);
      const specialised = calls().map(({ inputs, parameters = {}, expected }) => {
        const shapes = Object.fromEntries(Object.entries(inputs).map(([key, { shape }]) => [key, shape]));
        const tensors = bundle.signature.inputs.map((input) => bytesOf(inputs[input.name]!.data));
        const { program, uniforms, weights, key } = bundle.specialise(shapes, parameters);
        const run = {
          inputs: [...tensors, ...uniforms],
          expected: [{ bytes: bytesOf(asData(expected)), tolerance }],
        };
        return { program, weights, key, run };
      });
      const [{ program, weights, key }] = specialised as [(typeof specialised)[0]];
      if (specialised.some((other) => other.key !== key))
        throw new Error(`The calls of ${name} are different Programs`);
      return {
        name: this.name,
        program,
        weights,
        writesBeforeReads: false,
        runs: specialised.map(({ run }) => run),
      };
    },
  };
}

export const bundleCases: readonly Rule[] = [
  bundleCase("vector-add", exactly, () => {
    const [a, b, c] = [1, 2, 3].map((seed) => seededFloats(1000, seed)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    return [
      { inputs: { a: tensor(a, 1000), b: tensor(b, 1000) }, expected: vectorAdd(a, b) },
      { inputs: { a: tensor(c, 1000), b: tensor(b, 1000) }, expected: vectorAdd(c, b) },
    ];
  }),
  bundleCase("saxpy", close, () => {
    const [x, y] = [seededFloats(777, 1), seededFloats(777, 2)];
    const call = (a: number): Call => ({
      inputs: { x: tensor(x, 777), y: tensor(y, 777) },
      parameters: { a },
      expected: saxpy(a, x, y),
    });
    return [call(2), call(-3.5), call(0)];
  }),
  bundleCase("matmul", close, () => {
    const [a, b] = [seededFloats(33 * 50, 1), seededFloats(50 * 17, 2)];
    return [{ inputs: { a: tensor(a, 33, 50), b: tensor(b, 50, 17) }, expected: matmul(a, b, 33, 50, 17) }];
  }),
  bundleCase("complex-matmul", close, () => {
    const [a, b] = [seededFloats(20 * 37 * 2, 1), seededFloats(37 * 18 * 2, 2)];
    const inputs = { a: tensor(a, 20, 37, 2), b: tensor(b, 37, 18, 2) };
    return [{ inputs, expected: complexMatmul(a, b, 20, 37, 18) }];
  }),
  bundleCase("reduce", { type: "close", absolute: 0, relative: 1e-6 }, () => {
    const values = seededFloats(70_000, 1).map((value) => value + 1);
    return [{ inputs: { values: tensor(values, 70_000) }, expected: Float32Array.of(sum(values)) }];
  }),
  bundleCase("softmax", close, () => {
    const call = (seed: number): Call => {
      const logits = seededFloats(5 * 300, seed).map((value) => value * 10);
      return { inputs: { logits: tensor(logits, 5, 300) }, expected: softmax(logits, 5, 300) };
    };
    return [call(1), call(2)];
  }),
  bundleCase("jacobi", close, () => {
    const n = 40;
    const matrix = seededFloats(n * n, 1).map((value, i) => (i % (n + 1) === 0 ? n * 0.8 + value : value));
    const right = seededFloats(n, 2);
    const inputs = { matrix: tensor(matrix, n, n), right: tensor(right, n) };
    return [{ inputs, parameters: { iterations: 21 }, expected: jacobi(matrix, right, 21) }];
  }),
  // One level: the GPU's sum is rounded as a float32 between 0 and 1.
  bundleCase("filter", { type: "levels", levels: 1, exceptFraction: 0 }, () => {
    const image = Uint8Array.from(seededFloats(37 * 21 * 4, 3), (value) => (value + 1) * 127);
    const call = (kind: number): Call => ({
      inputs: { image: tensor(image, 21, 37, 4) },
      parameters: { kind },
      expected: filter(image, 37, 21, kind),
    });
    return [call(0), call(1), call(2)];
  }),
  // At the edge of the set the iteration is chaotic: float32 and the reference's float64 part ways.
  bundleCase("mandelbrot", { type: "levels", levels: 3, exceptFraction: 0.01 }, () => {
    const view = { width: 61, height: 41, centerX: -0.65, centerY: 0.1, scale: 3.2, iterations: 60 };
    return [{ inputs: {}, parameters: view, expected: mandelbrot(view) }];
  }),
  bundleCase("spmm", close, () => {
    const [rows, k, n] = [30, 20, 25];
    const chance = seededFloats(rows * k, 4);
    const rowOffsets = [0];
    const columns: number[] = [];
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < k; column++) if (chance[row * k + column]! > 0.6) columns.push(column);
      rowOffsets.push(columns.length);
    }
    const values = seededFloats(columns.length, 6);
    const matrix = { rowOffsets: Uint32Array.from(rowOffsets), columns: Uint32Array.from(columns), values };
    const dense = seededFloats(k * n, 7);
    const inputs = {
      rowOffsets: tensor(matrix.rowOffsets, rows + 1),
      columns: tensor(matrix.columns, columns.length),
      values: tensor(values, columns.length),
      dense: tensor(dense, k, n),
    };
    return [{ inputs, expected: spmm(matrix, dense, n) }];
  }),
];

function tensor(data: Data, ...shape: number[]): Argument {
  return { shape, data };
}

/** Most references compute in float64. */
function asData(values: Data | Float64Array): Data {
  return values instanceof Float64Array ? Float32Array.from(values) : values;
}

function bytesOf({ buffer, byteOffset, byteLength }: Data): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
