/**
 * Applies a rule to every node of a model, in the graphs inside nodes too.
 * Knows what rules need: ranks, constants, unused names. What the rules mean is their own files' matter.
 */
import { mapSubgraphs, subgraphs } from "../onnx/attributes.ts";
import { isDefaultDomain, type Model } from "../onnx/model.ts";
import type { GraphProto, NodeProto, TensorProto } from "../onnx/proto.ts";
import { Ranks } from "./ranks.ts";

/** What a rule sees of the graph around its node, and what it may add to it. */
export interface RuleContext {
  /** Number of dimensions, where it can be told. */
  rank(value: string | undefined): number | undefined;
  /** The tensor behind a name, where it is an initializer or comes from a Constant node. */
  constant(value: string | undefined): TensorProto | undefined;
  /** True where a node or the caller reads this value. */
  isUsed(value: string | undefined): boolean;
  /** A value name that nothing in the model has; `hint` makes it readable. */
  fresh(hint: string): string;
  /** Adds a constant to the graph under a fresh name, which is returned. The tensor's own name is ignored. */
  addConstant(hint: string, tensor: TensorProto): string;
}

/** Returns what stands in place of the node; the node itself where nothing changes. */
export type NodeRule = (node: NodeProto, context: RuleContext) => readonly NodeProto[];

/**
 * Applies a rule to each node of ONNX's own operator set. Functions that the model defines are left alone.
 * Returns the same model where the rule changed nothing.
 */
export function mapNodes(model: Model, rule: NodeRule): Model {
  const graph = mapGraph(model.graph, rule, new Names(model.graph), undefined);
  return graph === model.graph ? model : { ...model, graph };
}

function mapGraph(graph: GraphProto, rule: NodeRule, names: Names, outer: Scope | undefined): GraphProto {
  const scope = new Scope(graph, names, outer);
  const nodes: NodeProto[] = [];
  for (const original of graph.node) {
    const node = mapSubgraphs(original, (inner) => mapGraph(inner, rule, names, scope));
    if (isDefaultDomain(node.domain)) nodes.push(...rule(node, scope));
    else nodes.push(node);
    scope.learn(original);
  }
  const isSame =
    nodes.length === graph.node.length && nodes.every((node, index) => node === graph.node[index]);
  if (isSame && scope.added.length === 0) return graph;
  return { ...graph, node: nodes, initializer: [...graph.initializer, ...scope.added] };
}

class Scope implements RuleContext {
  readonly added: TensorProto[] = [];
  readonly #names: Names;
  readonly #outer: Scope | undefined;
  readonly #constants = new Map<string, TensorProto>();
  readonly #ranks: Ranks;

  constructor(graph: GraphProto, names: Names, outer: Scope | undefined) {
    this.#names = names;
    this.#outer = outer;
    for (const tensor of graph.initializer) this.#constants.set(tensor.name ?? "", tensor);
    this.#ranks = new Ranks(
      graph,
      (name) => this.constant(name),
      outer === undefined ? undefined : outer.#ranks,
    );
  }

  learn(node: NodeProto): void {
    const value = node.attribute.find((attribute) => attribute.name === "value")?.t;
    const [output] = node.output;
    if (node.opType === "Constant" && value !== undefined && output !== undefined) {
      this.#constants.set(output, value);
    }
    this.#ranks.learn(node);
  }

  rank(value: string | undefined): number | undefined {
    return value === undefined ? undefined : this.#ranks.get(value);
  }

  constant(value: string | undefined): TensorProto | undefined {
    if (value === undefined) return undefined;
    return this.#constants.get(value) ?? this.#outer?.constant(value);
  }

  isUsed(value: string | undefined): boolean {
    return value !== undefined && value !== "" && this.#names.used.has(value);
  }

  fresh(hint: string): string {
    return this.#names.fresh(hint);
  }

  addConstant(hint: string, tensor: TensorProto): string {
    const name = this.fresh(hint);
    this.added.push({ ...tensor, name });
    return name;
  }
}

/** All value names of a model. Graphs inside nodes share one space, since they see the names around them. */
class Names {
  readonly used = new Set<string>();
  readonly #taken = new Set<string>();

  constructor(graph: GraphProto) {
    this.#collect(graph);
  }

  fresh(hint: string): string {
    let name = hint;
    for (let count = 1; this.#taken.has(name); count += 1) name = `${hint}_${count}`;
    this.#taken.add(name);
    return name;
  }

  #collect(graph: GraphProto): void {
    for (const { name } of [...graph.input, ...graph.output, ...graph.initializer])
      this.#taken.add(name ?? "");
    for (const { name } of graph.output) this.used.add(name ?? "");
    for (const node of graph.node) {
      for (const name of node.input) this.used.add(name);
      for (const name of [...node.input, ...node.output]) this.#taken.add(name);
      for (const inner of subgraphs(node)) this.#collect(inner);
    }
  }
}
