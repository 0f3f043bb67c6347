/**
 * Rewrites that keep a model on ONNX Runtime's WebGPU provider (seen with onnxruntime-web 1.30): what it has
 * no kernel for becomes what it has one for. The meaning stays the same.
 * Takes models of opset 7 and later: upgrade.ts comes first.
 */
import type { Model } from "../onnx/model.ts";
import { opsetOf } from "../onnx/model.ts";
import {
  replaceCelu,
  replaceLogSoftmax,
  replaceRound,
  replaceSelu,
  replaceShrink,
  replaceSign,
  replaceSoftsign,
} from "./activations.ts";
import { usesOnlyFloat32 } from "./element-types.ts";
import { freezeInitializers } from "./freeze.ts";
import { lowerOpset } from "./lower-opset.ts";
import { replaceLrn } from "./lrn.ts";
import { replaceDropout, replaceMean, replaceOr, replaceSingle, replaceSum, replaceXor } from "./n-ary.ts";
import { mapNodes, type NodeRule } from "./node-rules.ts";
import { raiseOpset } from "./raise-opset.ts";

/** Pure: the given model stays as it is. */
export function rewriteForGpu(model: Model): Model {
  const retargeted = raiseOpset(lowerOpset(freezeInitializers(model)));
  const opset = opsetOf(retargeted.opsetImport);
  const rules = new Map(anyTypeRules.map(([name, rule]) => [name, rule(opset)]));
  // The others bring constants along, whose type must be that of the data.
  if (usesOnlyFloat32(retargeted)) for (const [name, rule] of float32Rules) rules.set(name, rule(opset));
  return mapNodes(retargeted, (node, context) => rules.get(node.opType ?? "")?.(node, context) ?? [node]);
}

type RuleOfOpset = (opset: number) => NodeRule;

const anyTypeRules: readonly (readonly [string, RuleOfOpset])[] = [
  ["Sum", () => replaceSum],
  ["Max", () => replaceSingle],
  ["Min", () => replaceSingle],
  ["Or", () => replaceOr],
  ["Xor", () => replaceXor],
  ["Dropout", (opset) => replaceDropout(opset)],
  ["LogSoftmax", (opset) => replaceLogSoftmax(opset)],
];

const float32Rules: readonly (readonly [string, RuleOfOpset])[] = [
  ["Mean", () => replaceMean],
  ["Selu", () => replaceSelu],
  ["Softsign", () => replaceSoftsign],
  ["Celu", () => replaceCelu],
  ["Sign", () => replaceSign],
  ["Shrink", () => replaceShrink],
  ["Round", () => replaceRound],
  ["LRN", () => replaceLrn],
];
