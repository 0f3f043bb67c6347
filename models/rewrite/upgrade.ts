/**
 * Brings models of opsets 1 to 6, which ONNX Runtime no longer implements, to opset 7.
 * Only where the meaning is clear: what the old operators meant is in old-operators.ts and old-broadcast.ts.
 * Models of opset 7 and later pass unchanged.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { withoutAttributes } from "../onnx/attributes.ts";
import { isDefaultDomain, type Model, opsetOf } from "../onnx/model.ts";
import type { NodeProto, OperatorSetIdProto } from "../onnx/proto.ts";
import { CannotUpgrade } from "./cannot-upgrade.ts";
import { mapNodes, type NodeRule, type RuleContext } from "./node-rules.ts";
import { alignSecondOperand, alignSlope } from "./old-broadcast.ts";
import * as old from "./old-operators.ts";

/** The oldest operator set that ONNX Runtime implements whole, and what upgraded models import. */
export const oldestOpset = 7;

/**
 * @throws DawnletError UNSUPPORTED_MODEL naming the operator and the opset where an old operator has no clear
 * equal in opset 7.
 */
export function upgradeModel(model: Model): Model {
  const opset = opsetOf(model.opsetImport);
  if (opset === 0 || opset >= oldestOpset) return model;
  const upgraded = mapNodes(model, (node, context) => {
    try {
      return upgradeNode(node, opset, context);
    } catch (error) {
      if (error instanceof CannotUpgrade) throw refusal(node, opset, error.message);
      throw error;
    }
  });
  return {
    ...upgraded,
    // Since version 4 of the format constants need not be listed among the inputs, as added ones are not.
    irVersion: maximum(model.irVersion ?? 0n, 4n),
    opsetImport: withOpset(model.opsetImport, oldestOpset),
  };
}

/** The same imports with another version of ONNX's own operator set. */
export function withOpset(imports: readonly OperatorSetIdProto[], opset: number): OperatorSetIdProto[] {
  return imports.map((entry) =>
    isDefaultDomain(entry.domain) ? { ...entry, version: BigInt(opset) } : entry,
  );
}

interface Change {
  /** The opset that brought the new form: nodes of older ones are changed. */
  readonly since: number;
  readonly rule: NodeRule;
}

const broadcast: readonly Change[] = [{ since: 7, rule: alignSecondOperand }];
const recurrent: readonly Change[] = [{ since: 7, rule: old.dropAttributes("output_sequence") }];
const norm: readonly Change[] = [{ since: 2, rule: old.wholeP }];
const refused: readonly Change[] = [{ since: 7, rule: old.refuseExperimental }];

const changes: ReadonlyMap<string, readonly Change[]> = new Map([
  ...["Add", "And", "Div", "Equal", "Greater", "Less", "Mul", "Or", "Pow", "Sub", "Xor"].map(
    (name) => [name, broadcast] as const,
  ),
  ...["GRU", "LSTM", "RNN"].map((name) => [name, recurrent] as const),
  ...["GlobalLpPool", "LpPool"].map((name) => [name, norm] as const),
  ...["ATen", "GRUUnit"].map((name) => [name, refused] as const),
  ["PRelu", [{ since: 7, rule: alignSlope }]],
  ["Reshape", [{ since: 5, rule: old.reshape }]],
  ["Cast", [{ since: 6, rule: old.cast }]],
  ["Concat", [{ since: 4, rule: old.concat }]],
  ["Pad", [{ since: 2, rule: old.pad }]],
  ["Split", [{ since: 2, rule: old.split }]],
  ["Tile", [{ since: 6, rule: old.tile }]],
  ["Selu", [{ since: 6, rule: old.selu }]],
  ["Upsample", [{ since: 7, rule: old.upsample }]],
  ["Dropout", [{ since: 7, rule: old.dropAttributes("is_test") }]],
  ["BatchNormalization", [{ since: 7, rule: old.batchNormalization }]],
  ["Gemm", [{ since: 7, rule: old.dropAttributes("broadcast") }]],
]);

function upgradeNode(original: NodeProto, opset: number, context: RuleContext): readonly NodeProto[] {
  // A hint for computing in place, of opsets 1 to 5, that no operator has any more.
  const node = withoutAttributes(original, "consumed_inputs");
  const change = (changes.get(node.opType ?? "") ?? []).find(({ since }) => opset < since);
  return change === undefined ? [node] : change.rule(node, context);
}

function refusal(node: NodeProto, opset: number, why: string): DawnletError {
  const where = node.name ? ` (node '${node.name}')` : "";
  return new DawnletError(
    "UNSUPPORTED_MODEL",
    `Cannot upgrade the operator '${node.opType}' of opset ${opset}${where} as ${why}: export the model with opset ${oldestOpset} or later`,
  );
}

function maximum(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
