/** The models of the swap benchmark at full size, each with one input size. */
import { buildBert } from "../../models/zoo/bert.ts";
import { type Architecture, buildModel } from "../../models/zoo/builder.ts";
import { buildDensenet } from "../../models/zoo/densenet.ts";
import { linear } from "../../models/zoo/layers.ts";
import { buildMobilenetV2 } from "../../models/zoo/mobilenet-v2.ts";
import { buildResnet } from "../../models/zoo/resnet.ts";

const width = 4096;
const depth = 4;

/** Wide layers on one row: every weight is used once, so reading them is all the work there is. */
const wide: Architecture<object> = (builder) => {
  let x = builder.input("data", "float32", [1, width]);
  for (let layer = 0; layer < depth; layer++) x = linear(builder, `layer${layer}`, x, width, width);
  builder.output("scores", x, "float32", [1, width]);
};

const rows = 65_536;
const columns = 1024;

/** A large table of which a call reads a few rows: bound by its upload on any adapter, a software one too. */
const embedding: Architecture<object> = (builder) => {
  const ids = builder.input("ids", "int32", [1, 32]);
  const table = builder.weight("table", [rows, columns], { limit: 1 });
  const found = builder.node("Gather", [table, ids], { axis: 0n });
  const mean = builder.node("ReduceMean", [found], { axes: [1n], keepdims: 0n });
  builder.output("mean", mean, "float32", [1, columns]);
};

/** ONNX bytes by name. */
export const swapModels: Readonly<Record<string, () => Uint8Array>> = {
  embedding: () => buildModel("embedding", embedding, {}),
  wide: () => buildModel("wide", wide, {}),
  mobilenetV2: () => buildMobilenetV2({ batch: 1 }),
  densenet121: () => buildDensenet({ batch: 1 }),
  resnet50: () => buildResnet({ batch: 1 }),
  resnet101: () => buildResnet({ batch: 1, blocks: [3, 4, 23, 3] }),
  resnet152: () => buildResnet({ batch: 1, blocks: [3, 8, 36, 3] }),
  bertBase: () => buildBert({ batch: 1, sequence: 32, idType: "int32" }),
};
