import { describe, expect, test } from "vitest";
import type { Dimension, TensorSignature } from "../../kernels/tensor.ts";
import { batchAxisOf, withRows } from "../../models/batch-axis.ts";

const tensor = (name: string, shape: readonly Dimension[]): TensorSignature => ({
  name,
  dataType: "float32",
  shape,
});

const axisOf = (inputs: ReadonlyArray<readonly Dimension[]>, outputs: ReadonlyArray<readonly Dimension[]>) =>
  batchAxisOf({
    inputs: inputs.map((shape, i) => tensor(`x${i}`, shape)),
    outputs: outputs.map((shape, i) => tensor(`y${i}`, shape)),
  });

describe("the batch axis is", () => {
  test("the free dimension that all inputs begin with", () => {
    const free = { type: "free", dimension: "batch" };
    expect(axisOf([["batch", 3]], [["batch", 10]])).toEqual(free);
    expect(
      axisOf(
        [
          ["batch", "words"],
          ["batch", "words"],
        ],
        [["batch", "words", 8], ["batch"]],
      ),
    ).toEqual(free);
    // As exporters name what they do not know.
    expect(axisOf([["x0[0]", 3]], [["unk__1", 10]])).toEqual({ type: "free", dimension: "x0[0]" });
  });

  test("axis 0 where it is 1 everywhere, or of outputs unknown", () => {
    expect(axisOf([[1, 3, "height"]], [[1, 10]])).toEqual({ type: "fixed" });
    expect(axisOf([[1, 3], [1]], [["y0[0]", 10]])).toEqual({ type: "fixed" });
  });

  test.each([
    ["there are no inputs", [], [[1]], "it takes no inputs"],
    ["an input is a scalar", [["batch", 3], []], [["batch"]], "its input 'x1' has no axes"],
    ["an output is a scalar", [["batch", 3]], [[]], "its output 'y0' has no axes"],
    ["an input is fixed at 2", [[2, 3]], [[2]], "axis 0 of its input 'x0' is fixed at 2"],
    ["an output is fixed", [["batch", 3]], [[1]], "axis 0 of its output 'y0' is fixed at 1"],
    ["an output has 4 rows", [[1, 3]], [[4]], "axis 0 of its output 'y0' is fixed at 4"],
    [
      "inputs differ",
      [["batch", 3], ["words"]],
      [["batch"]],
      "axis 0 is batch in its input 'x0' and words in 'x1'",
    ],
    [
      "it is another axis as well",
      [["n", "n"]],
      [["n"]],
      "axis 0 of its input 'x0', n, is another axis as well",
    ],
  ] as const)("none where %s", (_, inputs, outputs, reason) => {
    expect(axisOf(inputs, outputs)).toEqual({ type: "none", reason });
  });

  test("none where a tensor is of strings", () => {
    const text: TensorSignature = { name: "text", dataType: "string", shape: ["batch"] };
    expect(batchAxisOf({ inputs: [text], outputs: [tensor("y", ["batch"])] })).toEqual({
      type: "none",
      reason: "its input 'text' is of strings",
    });
  });
});

test("withRows() changes the batch's dimension alone", () => {
  expect(withRows({ batch: 1, words: 8 }, { dimension: "batch", rows: 4 })).toEqual({ batch: 4, words: 8 });
  expect(withRows({ words: 8 }, { rows: 4 })).toEqual({ words: 8 });
});
