/** Models of one example as models of several, by the CPU provider. */
import { expect, test } from "vitest";
import { joinTensors } from "../../../kernels/tensor-rows.ts";
import { makeFloats, makeInt64s, makeNode, makeValue } from "../../../models/onnx/build.ts";
import { encodeModel, type Model } from "../../../models/onnx/model.ts";
import { createCpuSession } from "../../../models/ort.ts";
import { resizeBatch } from "../../../models/rewrite/resize-batch.ts";
import { floats } from "../../e2e/tensors.ts";
import { makeGraph, makeModel } from "../onnx/graphs.ts";

/** `y = reshape(x, [1, 6]) · reshape(w, [6, 2])`, with both shapes as constants. */
const flattening: Model = makeModel(
  17,
  makeGraph(
    [
      makeNode("Reshape", ["x", "flat"], ["rows"]),
      makeNode("Reshape", ["w", "square"], ["matrix"]),
      makeNode("MatMul", ["rows", "matrix"], ["product"]),
      makeNode("Constant", [], ["back"], { value: makeInt64s("", [1n, 2n, 1n]) }),
      makeNode("Reshape", ["product", "back"], ["y"]),
    ],
    {
      input: [makeValue("x", "float32", [1, 2, 3])],
      output: [makeValue("y", "float32", [1, 2, 1])],
      initializer: [
        makeInt64s("flat", [1n, 6n]),
        makeInt64s("square", [6n, 2n]),
        makeFloats(
          "w",
          Float32Array.from({ length: 12 }, (_, i) => i),
          [1, 12],
        ),
      ],
      valueInfo: [makeValue("rows", "float32", [1, 6])],
    },
  ),
);

async function run(model: Model, x: ReturnType<typeof floats>) {
  const session = await createCpuSession({ model: encodeModel(model) });
  try {
    return (await session.run({ x })).get("y")!;
  } finally {
    await session.release();
  }
}

const example = (seed: number) => floats([1, 2, 3], [seed, 1, 2, 3, 4, seed]);

test("a model with one example in its shapes computes the same for each of three", async () => {
  const examples = [1, 2, 3].map(example);
  const alone = await Promise.all(examples.map((one) => run(flattening, one)));
  const together = await run(resizeBatch(flattening, 3), joinTensors(examples));
  expect(together).toEqual(joinTensors(alone));
  expect(together.shape).toEqual([3, 2, 1]);
});

test("weights keep their shapes, and the given model stays as it is", () => {
  const before = structuredClone(flattening);
  const { graph } = resizeBatch(flattening, 3);
  expect(flattening).toEqual(before);
  expect(graph.node[1]).toEqual(flattening.graph.node[1]);
  expect(graph.node[0]!.input[1]).not.toBe("flat");
  expect(graph.valueInfo).toEqual([]);
});
