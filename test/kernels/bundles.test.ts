/** Each example bundle on a real WebGPU device against its reference on the CPU. */
import { readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../models/seeded.ts";
import { seededFloats } from "../conformance/seeded.ts";
import { type Argument, exampleFolder, floatsOf, loadExample, runBundle } from "./example-bundle.ts";
import { complexMatmul } from "./reference/complex-matmul.ts";
import { filter, filterKernels } from "./reference/filter.ts";
import { jacobi } from "./reference/jacobi.ts";
import { mandelbrot } from "./reference/mandelbrot.ts";
import { matmul } from "./reference/matmul.ts";
import { sum } from "./reference/reduce.ts";
import { saxpy } from "./reference/saxpy.ts";
import { softmax } from "./reference/softmax.ts";
import { spmm } from "./reference/spmm.ts";
import { vectorAdd } from "./reference/vector-add.ts";

const floats = (length: number, seed = 1) => seededFloats(length, seed);

function tensor(data: Argument["data"], ...shape: number[]): Argument {
  return { shape, data };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, value, i) => {
    const difference = Math.abs(value - b[i]!);
    // NaN must not pass for agreement.
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(most, difference);
  }, 0);
}

it("every folder of kernels/bundles loads and describes itself", async () => {
  const names = await readdir(exampleFolder);
  expect(names.length).toBeGreaterThanOrEqual(10);
  for (const name of names) expect((await loadExample(name)).description, name).toMatch(/\.$/);
});

describe("vector-add", () => {
  it.each([1, 3, 256, 1000])("adds %i values exactly", async (n) => {
    const [a, b] = [floats(n, 1), floats(n, 2)];
    const { sum } = await runBundle(await loadExample("vector-add"), { a: tensor(a, n), b: tensor(b, n) });
    expect(floatsOf(sum)).toEqual(vectorAdd(a, b));
  });

  it("goes on in a second row of workgroups where one dimension ends", async () => {
    const n = 256 * 65_535 + 3;
    const a = new Float32Array(n).fill(1);
    a[n - 1] = 41;
    const { sum } = await runBundle(await loadExample("vector-add"), { a: tensor(a, n), b: tensor(a, n) });
    const result = floatsOf(sum);
    expect([result[0], result[n - 2], result[n - 1]]).toEqual([2, 2, 82]);
    expect(result.indexOf(0)).toBe(-1);
  });
});

describe("saxpy", () => {
  it("takes a from the parameter and 2 without it", async () => {
    const bundle = await loadExample("saxpy");
    const [x, y] = [floats(777, 1), floats(777, 2)];
    const inputs = { x: tensor(x, 777), y: tensor(y, 777) };
    for (const a of [-3.5, 0, 2]) {
      const { result } = await runBundle(bundle, inputs, { a });
      expect(largestDifference(floatsOf(result), saxpy(a, x, y))).toBeLessThan(1e-6);
    }
    const { result } = await runBundle(bundle, inputs);
    expect(largestDifference(floatsOf(result), saxpy(2, x, y))).toBeLessThan(1e-6);
  });
});

describe("matmul", () => {
  it.each([
    [1, 1, 1],
    [16, 16, 16],
    [33, 50, 17],
    [5, 200, 40],
  ])("multiplies [%i, %i] by [.., %i]", async (m, k, n) => {
    const [a, b] = [floats(m * k, 1), floats(k * n, 2)];
    const { c } = await runBundle(await loadExample("matmul"), { a: tensor(a, m, k), b: tensor(b, k, n) });
    expect(largestDifference(floatsOf(c), matmul(a, b, m, k, n))).toBeLessThan(1e-5);
  });
});

describe("complex-matmul", () => {
  it.each([
    [1, 1, 1],
    [20, 37, 18],
  ])("multiplies [%i, %i] by [.., %i]", async (m, k, n) => {
    const [a, b] = [floats(m * k * 2, 1), floats(k * n * 2, 2)];
    const inputs = { a: tensor(a, m, k, 2), b: tensor(b, k, n, 2) };
    const { c } = await runBundle(await loadExample("complex-matmul"), inputs);
    expect(largestDifference(floatsOf(c), complexMatmul(a, b, m, k, n))).toBeLessThan(1e-5);
  });
});

describe("reduce", () => {
  it.each([1, 2047, 2048, 2049, 300_000])("adds %i values", async (n) => {
    const values = floats(n).map((value) => value + 1);
    const { sum: bytes } = await runBundle(await loadExample("reduce"), { values: tensor(values, n) });
    const [result] = floatsOf(bytes);
    expect(Math.abs(result! - sum(values)) / sum(values)).toBeLessThan(1e-6);
  });

  it("needs its third level beyond 2048 * 2048 values", async () => {
    const n = 2048 * 2048 + 1;
    const values = new Float32Array(n).fill(0.5);
    const { sum: bytes } = await runBundle(await loadExample("reduce"), { values: tensor(values, n) });
    expect(floatsOf(bytes)[0]).toBe(n / 2);
  });
});

describe("softmax", () => {
  it.each([
    [1, 1],
    [4, 1000],
    [300, 7],
  ])("normalises %i rows of %i", async (rows, columns) => {
    const logits = floats(rows * columns).map((value) => value * 10);
    const inputs = { logits: tensor(logits, rows, columns) };
    const { probabilities } = await runBundle(await loadExample("softmax"), inputs);
    expect(largestDifference(floatsOf(probabilities), softmax(logits, rows, columns))).toBeLessThan(1e-6);
  });

  it("stays finite for logits whose exponentials overflow", async () => {
    const logits = Float32Array.of(1000, 1001, -1000, -1e30);
    const { probabilities } = await runBundle(await loadExample("softmax"), { logits: tensor(logits, 1, 4) });
    expect(largestDifference(floatsOf(probabilities), softmax(logits, 1, 4))).toBeLessThan(1e-6);
  });
});

describe("jacobi", () => {
  const n = 70;
  const random = floats(n * n);
  const matrix = random.map((value, i) => (i % (n + 1) === 0 ? n * 0.8 + value : value));
  const right = floats(n, 2);
  const inputs = { matrix: tensor(matrix, n, n), right: tensor(right, n) };

  it.each([1, 2, 3, 4, 11])("agrees with the reference after %i iterations", async (iterations) => {
    const { x } = await runBundle(await loadExample("jacobi"), inputs, { iterations });
    expect(largestDifference(floatsOf(x), jacobi(matrix, right, iterations))).toBeLessThan(1e-6);
  });

  it("solves the system with the default iterations", async () => {
    const { x } = await runBundle(await loadExample("jacobi"), inputs);
    expect(largestDifference(matmul(matrix, floatsOf(x), n, n, 1), right)).toBeLessThan(1e-5);
  });
});

describe("filter", () => {
  it.each([0, 1, 2])("kind %i agrees with the reference, edges included", async (kind) => {
    const [width, height] = [37, 21];
    const random = seededRandom(3);
    const image = Uint8Array.from({ length: width * height * 4 }, () => random() * 256);
    const inputs = { image: tensor(image, height, width, 4) };
    const { filtered } = await runBundle(await loadExample("filter"), inputs, { kind });
    // One level: the GPU's sum is rounded as a float32 between 0 and 1.
    expect(largestDifference(filtered!, filter(image, width, height, kind))).toBeLessThanOrEqual(1);
    expect(filterKernels).toHaveLength(3);
  });
});

describe("mandelbrot", () => {
  it("agrees with the reference but for a few pixels at the edge of the set", async () => {
    const view = { width: 60, height: 41, centerX: -0.65, centerY: 0.1, scale: 3.2, iterations: 60 };
    const { image } = await runBundle(await loadExample("mandelbrot"), {}, view);
    const expected = mandelbrot(view);
    expect(image).toHaveLength(expected.length);
    // The iteration is chaotic there: float32 and float64 part ways.
    const differing = expected.filter((value, i) => Math.abs(value - image![i]!) > 3).length;
    expect(differing / expected.length).toBeLessThan(0.01);
    expect(new Set(expected).size).toBeGreaterThan(100);
  });
});

describe("spmm", () => {
  const [rows, k, n] = [50, 30, 45];

  function sparse() {
    const random = seededRandom(5);
    const rowOffsets = [0];
    const columns: number[] = [];
    for (let row = 0; row < rows; row++) {
      // Every tenth row is empty.
      for (let column = 0; column < k; column++) if (row % 10 !== 3 && random() < 0.2) columns.push(column);
      rowOffsets.push(columns.length);
    }
    return {
      rowOffsets: Uint32Array.from(rowOffsets),
      columns: Uint32Array.from(columns),
      values: floats(columns.length, 6),
    };
  }

  function inputsOf({ rowOffsets, columns, values }: ReturnType<typeof sparse>, dense: Float32Array) {
    return {
      rowOffsets: tensor(rowOffsets, rowOffsets.length),
      columns: tensor(columns, columns.length),
      values: tensor(values, values.length),
      dense: tensor(dense, k, n),
    };
  }

  it("multiplies a sparse by a dense matrix", async () => {
    const matrix = sparse();
    const dense = floats(k * n, 7);
    const { product } = await runBundle(await loadExample("spmm"), inputsOf(matrix, dense));
    expect(largestDifference(floatsOf(product), spmm(matrix, dense, n))).toBeLessThan(1e-5);
  });

  it("leaves out entries whose column does not exist", async () => {
    const matrix = sparse();
    const dense = floats(k * n, 7);
    const broken = {
      ...matrix,
      columns: matrix.columns.map((column, i) => (i === 0 ? 4_000_000_000 : column)),
    };
    const without = { ...matrix, values: matrix.values.map((value, i) => (i === 0 ? 0 : value)) };
    const { product } = await runBundle(await loadExample("spmm"), inputsOf(broken, dense));
    expect(largestDifference(floatsOf(product), spmm(without, dense, n))).toBeLessThan(1e-5);
  });
});
