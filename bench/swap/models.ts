/** The models of the swap benchmark at full size, each with one input size. */
import { buildBert } from "../../models/zoo/bert.ts";
import { type Architecture, buildModel, type Value } from "../../models/zoo/builder.ts";
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

const tableCount = 16;
const rows = 65_536;
const columns = 64;
const tablesAGroup = 4;

/**
 * What recommenders begin with: a call reads one row of each of many large tables. Bound by its upload on any adapter, a
 * software one too, and in steps that can run while the next tables come.
 */
const tables: Architecture<object> = (builder) => {
  const ids = builder.input("ids", "int32", [1]);
  const groups: Value[] = [];
  for (let group = 0; group < tableCount / tablesAGroup; group++) {
    const found = Array.from({ length: tablesAGroup }, (_, i) => {
      const table = builder.weight(`table${group * tablesAGroup + i}`, [rows, columns], { limit: 1 });
      return builder.node("Gather", [table, ids], { axis: 0n });
    });
    groups.push(builder.node("Concat", found, { axis: 1n }));
  }
  const features = builder.node("Concat", groups, { axis: 1n });
  builder.output("features", features, "float32", [1, tableCount * columns]);
};

/** ONNX bytes by name. */
export const swapModels: Readonly<Record<string, () => Uint8Array>> = {
  tables: () => buildModel("tables", tables, {}),
  wide: () => buildModel("wide", wide, {}),
  mobilenetV2: () => buildMobilenetV2({ batch: 1 }),
  densenet121: () => buildDensenet({ batch: 1 }),
  resnet50: () => buildResnet({ batch: 1 }),
  resnet101: () => buildResnet({ batch: 1, blocks: [3, 4, 23, 3] }),
  resnet152: () => buildResnet({ batch: 1, blocks: [3, 8, 36, 3] }),
  bertBase: () => buildBert({ batch: 1, sequence: 32, idType: "int32" }),
};
