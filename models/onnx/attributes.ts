/**
 * Reads and replaces the attributes of a node.
 * An attribute's type is told by the field that holds its value, since the oldest models state none.
 */
import { type AttributeValue, makeAttribute } from "./build.ts";
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from "./proto.ts";

export function findAttribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

export function intAttribute(node: NodeProto, name: string): number | undefined {
  const value = findAttribute(node, name)?.i;
  return value === undefined ? undefined : Number(value);
}

export function floatAttribute(node: NodeProto, name: string): number | undefined {
  return findAttribute(node, name)?.f;
}

export function stringAttribute(node: NodeProto, name: string): string | undefined {
  const value = findAttribute(node, name)?.s;
  return value === undefined ? undefined : new TextDecoder().decode(value);
}

/** Exact: Slice's `ends` may be the largest 64-bit integer. */
export function intsAttribute(node: NodeProto, name: string): readonly bigint[] | undefined {
  return findAttribute(node, name)?.ints;
}

export function floatsAttribute(node: NodeProto, name: string): readonly number[] | undefined {
  return findAttribute(node, name)?.floats;
}

export function tensorAttribute(node: NodeProto, name: string): TensorProto | undefined {
  return findAttribute(node, name)?.t;
}

/** All graphs inside a node: bodies of If, Loop and Scan. */
export function subgraphs(node: NodeProto): readonly GraphProto[] {
  return node.attribute.flatMap((attribute) =>
    attribute.g === undefined ? attribute.graphs : [attribute.g],
  );
}

/** The node with each graph inside replaced. The same node where there is none. */
export function mapSubgraphs(node: NodeProto, map: (graph: GraphProto) => GraphProto): NodeProto {
  if (subgraphs(node).length === 0) return node;
  const attribute = node.attribute.map((entry) => ({
    ...entry,
    ...(entry.g === undefined ? {} : { g: map(entry.g) }),
    graphs: entry.graphs.map(map),
  }));
  return { ...node, attribute };
}

export function withoutAttributes(node: NodeProto, ...names: readonly string[]): NodeProto {
  if (!node.attribute.some((attribute) => names.includes(attribute.name ?? ""))) return node;
  return { ...node, attribute: node.attribute.filter((attribute) => !names.includes(attribute.name ?? "")) };
}

/** Sets an attribute, in place of one of the same name. */
export function withAttribute(node: NodeProto, name: string, value: AttributeValue): NodeProto {
  const others = withoutAttributes(node, name).attribute;
  return { ...node, attribute: [...others, makeAttribute(name, value)] };
}
