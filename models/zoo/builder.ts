/**
 * Builds an ONNX model node by node, with seeded weights, for the architectures of this folder.
 * Can also count an architecture's parameters without allocating one, and put weights into a file of their own.
 */
import type { DataType, Dimension } from "../../kernels/tensor.ts";
import {
  type AttributeValue,
  makeFloats,
  makeInt64s,
  makeNode,
  makeTensor,
  makeValue,
} from "../onnx/build.ts";
import { encodeModel } from "../onnx/model.ts";
import type { NodeProto, TensorProto, ValueInfoProto } from "../onnx/proto.ts";
import { fillUniform } from "./random.ts";

/** Writes an architecture into a builder. */
export type Architecture<Options> = (builder: GraphBuilder, options: Options) => void;

export interface BuildOptions {
  /** Other seeds give other weights. */
  readonly seed?: number;
}

/** A model and the file beside it that holds its weights. */
export interface ModelWithData {
  readonly model: Uint8Array<ArrayBuffer>;
  readonly externalData: Uint8Array<ArrayBuffer>;
}

/** @throws DawnletError UNSUPPORTED_MODEL when the model exceeds 2 GiB. */
export function buildModel<Options extends BuildOptions>(
  name: string,
  architecture: Architecture<Options>,
  options: Options,
): Uint8Array<ArrayBuffer> {
  const builder = new GraphBuilder(name, options.seed ?? 0, true);
  architecture(builder, options);
  return builder.finish();
}

/** The same model with its weights in a file, which is to lie beside it as `location`. */
export function buildModelWithData<Options extends BuildOptions>(
  name: string,
  architecture: Architecture<Options>,
  options: Options,
  location: string,
): ModelWithData {
  const builder = new GraphBuilder(name, options.seed ?? 0, true);
  architecture(builder, options);
  return builder.finishWithData(location);
}

/** Trainable parameters of an architecture. No weights are made. */
export function countParameters<Options extends BuildOptions>(
  architecture: Architecture<Options>,
  options: Options,
): number {
  const builder = new GraphBuilder("count", 0, false);
  architecture(builder, options);
  return builder.parameterCount;
}

export interface WeightOptions {
  /** Weights are uniform in [center - limit, center + limit). */
  readonly limit: number;
  readonly center?: number;
  /** False for statistics, which published parameter counts leave out. */
  readonly isTrained?: boolean;
}

/** The name of a value in the graph. */
export type Value = string;

export class GraphBuilder {
  readonly #name: string;
  readonly #seed: number;
  readonly #hasValues: boolean;
  readonly #nodes: NodeProto[] = [];
  readonly #constants: TensorProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #shared = new Map<string, Value>();
  #parameterCount = 0;

  /** @param hasValues false to count parameters only; such a builder cannot finish. */
  constructor(name: string, seed: number, hasValues: boolean) {
    this.#name = name;
    this.#seed = seed;
    this.#hasValues = hasValues;
  }

  get parameterCount(): number {
    return this.#parameterCount;
  }

  input(name: string, dataType: DataType, shape: readonly Dimension[]): Value {
    this.#inputs.push(makeValue(name, dataType, shape));
    return name;
  }

  /** Gives a value to the caller, under a name of its own. */
  output(name: string, value: Value, dataType: DataType, shape: readonly Dimension[]): void {
    this.#nodes.push(makeNode("Identity", [value], [name]));
    this.#outputs.push(makeValue(name, dataType, shape));
  }

  /** Adds a node of one output and returns that. */
  node(
    opType: string,
    input: readonly Value[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): Value {
    return this.nodes(opType, input, 1, attributes)[0]!;
  }

  /** Adds a node of several outputs. */
  nodes(
    opType: string,
    input: readonly Value[],
    outputCount: number,
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): readonly Value[] {
    const name = `${opType}_${this.#nodes.length}`;
    const output = Array.from({ length: outputCount }, (_, index) => `${name}:${index}`);
    this.#nodes.push(makeNode(opType, input, output, attributes, { name }));
    return output;
  }

  /** A float32 weight of seeded values. Names are unique. */
  weight(
    name: string,
    shape: readonly number[],
    { limit, center = 0, isTrained = true }: WeightOptions,
  ): Value {
    const count = shape.reduce((product, size) => product * size, 1);
    if (isTrained) this.#parameterCount += count;
    if (!this.#hasValues) return name;
    const values = new Float32Array(count);
    fillUniform(values, this.#seed, name, limit, center);
    this.#constants.push(makeFloats(name, values, shape));
    return name;
  }

  /** A float32 scalar; equal ones are stored once. */
  scalar(value: number): Value {
    return this.#share(`scalar ${value}`, (name) => makeFloats(name, Float32Array.of(value), []));
  }

  /** A list of int64: shapes, axes, positions. */
  integers(values: readonly number[]): Value {
    return this.#share(`integers ${values}`, (name) => makeInt64s(name, values.map(BigInt)));
  }

  /** One int64 without dimensions: an index that takes its axis away. */
  index(value: number): Value {
    const bytes = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
    return this.#share(`index ${value}`, (name) => makeTensor(name, "int64", [], bytes));
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#encode(this.#constants);
  }

  finishWithData(location: string): ModelWithData {
    let size = 0;
    const places = this.#constants.map((tensor) => {
      const length = tensor.rawData?.length ?? 0;
      if (length < externalFromBytes) return undefined;
      const offset = size;
      size = Math.ceil((offset + length) / pageBytes) * pageBytes;
      return { offset, length };
    });
    const externalData = new Uint8Array(size);
    const tensors = this.#constants.map((tensor, index) => {
      const place = places[index];
      if (place === undefined) return tensor;
      const { rawData, ...rest } = tensor;
      externalData.set(rawData!, place.offset);
      return { ...rest, dataLocation: 1, externalData: entries({ location, ...place }) };
    });
    return { model: this.#encode(tensors), externalData };
  }

  #encode(initializer: readonly TensorProto[]): Uint8Array<ArrayBuffer> {
    if (!this.#hasValues) throw new TypeError("a builder that only counts has no model");
    return encodeModel({
      // 8 goes with opset 17, as exporters of that time wrote it.
      irVersion: 8n,
      producerName: "dawnlet",
      opsetImport: [{ domain: "", version: 17n }],
      metadataProps: [],
      trainingInfo: [],
      functions: [],
      graph: {
        name: this.#name,
        node: this.#nodes,
        initializer,
        input: this.#inputs,
        output: this.#outputs,
        valueInfo: [],
        quantizationAnnotation: [],
        sparseInitializer: [],
        metadataProps: [],
      },
    });
  }

  #share(key: string, make: (name: string) => TensorProto): Value {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const name = `const_${this.#shared.size}`;
    this.#shared.set(key, name);
    this.#constants.push(make(name));
    return name;
  }
}

/** Smaller tensors stay in the model: shapes must be known before the other file is read. */
const externalFromBytes = 1024;

/** ONNX recommends page boundaries, so that files can be mapped. */
const pageBytes = 4096;

function entries(values: Readonly<Record<string, string | number>>) {
  return Object.entries(values).map(([key, value]) => ({ key, value: String(value) }));
}
