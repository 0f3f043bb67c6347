/**
 * The fields of each ONNX message: number and kind, as onnx.proto states them.
 * The compiler checks that every property of proto.ts has a field of its kind. No code runs here: codec.ts
 * reads these tables.
 */
import type {
  AttributeProto,
  DimensionProto,
  ElementTypeProto,
  FunctionProto,
  GraphProto,
  MapTypeProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  SparseTensorProto,
  StringStringEntryProto,
  TensorAnnotation,
  TensorProto,
  TensorSegment,
  TensorShapeProto,
  TensorTypeProto,
  TrainingInfoProto,
  TypeProto,
  ValueInfoProto,
} from "./proto.ts";

/** `text` is a string nothing refers to: bytes that are no UTF-8 are replaced instead of refused. */
export type ScalarKind = "string" | "text" | "bytes" | "int32" | "int64" | "float";
export type PackedKind = "float32s" | "float64s" | "int32s" | "int64s" | "uint64s";

export type Field =
  | { readonly type: "scalar"; readonly number: number; readonly kind: ScalarKind; readonly oneof?: string }
  | { readonly type: "scalars"; readonly number: number; readonly kind: Exclude<ScalarKind, "text"> }
  /** Numbers in a typed array, written packed. */
  | { readonly type: "packed"; readonly number: number; readonly kind: PackedKind }
  | { readonly type: "message"; readonly number: number; readonly of: () => Table; readonly oneof?: string }
  | { readonly type: "messages"; readonly number: number; readonly of: () => Table };

export type Table = Readonly<Record<string, Field>>;

type FieldOf<V> = V extends string
  ? Extract<Field, { type: "scalar" }> & { kind: "string" | "text" }
  : V extends number
    ? Extract<Field, { type: "scalar" }> & { kind: "int32" | "float" }
    : V extends bigint
      ? Extract<Field, { type: "scalar" }> & { kind: "int64" }
      : V extends readonly string[]
        ? Extract<Field, { type: "scalars" }> & { kind: "string" }
        : V extends readonly bigint[]
          ? Extract<Field, { type: "scalars" }> & { kind: "int64" }
          : V extends readonly number[]
            ? Extract<Field, { type: "scalars" }> & { kind: "float" }
            : V extends Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array
              ? Extract<Field, { type: "packed" }>
              : V extends Uint8Array
                ? Extract<Field, { type: "scalar" }> & { kind: "bytes" }
                : V extends readonly Uint8Array[]
                  ? Extract<Field, { type: "scalars" }> & { kind: "bytes" }
                  : V extends readonly unknown[]
                    ? Extract<Field, { type: "messages" }>
                    : Extract<Field, { type: "message" }>;

/** A table that has exactly the properties of `T`, each with a field of its kind. */
export type TableOf<T> = { readonly [K in Exclude<keyof T, "unknownFields">]-?: FieldOf<Required<T>[K]> };

const one = <K extends ScalarKind>(number: number, kind: K) => ({ type: "scalar", number, kind }) as const;
const many = <K extends Exclude<ScalarKind, "text">>(number: number, kind: K) =>
  ({ type: "scalars", number, kind }) as const;
const packed = <K extends PackedKind>(number: number, kind: K) => ({ type: "packed", number, kind }) as const;
const message = (number: number, of: () => Table) => ({ type: "message", number, of }) as const;
const messages = (number: number, of: () => Table) => ({ type: "messages", number, of }) as const;
const choice = <F extends object>(field: F) => ({ ...field, oneof: "value" });

export const modelFields: TableOf<ModelProto> = {
  irVersion: one(1, "int64"),
  producerName: one(2, "text"),
  producerVersion: one(3, "text"),
  domain: one(4, "text"),
  modelVersion: one(5, "int64"),
  docString: one(6, "text"),
  graph: message(7, () => graphFields),
  opsetImport: messages(8, () => opsetFields),
  metadataProps: messages(14, () => entryFields),
  trainingInfo: messages(20, () => trainingFields),
  functions: messages(25, () => functionFields),
};

export const opsetFields: TableOf<OperatorSetIdProto> = {
  domain: one(1, "string"),
  version: one(2, "int64"),
};

export const entryFields: TableOf<StringStringEntryProto> = {
  key: one(1, "string"),
  value: one(2, "string"),
};

const trainingFields: TableOf<TrainingInfoProto> = {
  initialization: message(1, () => graphFields),
  algorithm: message(2, () => graphFields),
  initializationBinding: messages(3, () => entryFields),
  updateBinding: messages(4, () => entryFields),
};

const functionFields: TableOf<FunctionProto> = {
  name: one(1, "string"),
  input: many(4, "string"),
  output: many(5, "string"),
  attribute: many(6, "string"),
  node: messages(7, () => nodeFields),
  docString: one(8, "text"),
  opsetImport: messages(9, () => opsetFields),
  domain: one(10, "string"),
  attributeProto: messages(11, () => attributeFields),
  valueInfo: messages(12, () => valueInfoFields),
  overload: one(13, "string"),
  metadataProps: messages(14, () => entryFields),
};

export const graphFields: TableOf<GraphProto> = {
  node: messages(1, () => nodeFields),
  name: one(2, "string"),
  initializer: messages(5, () => tensorFields),
  docString: one(10, "text"),
  input: messages(11, () => valueInfoFields),
  output: messages(12, () => valueInfoFields),
  valueInfo: messages(13, () => valueInfoFields),
  quantizationAnnotation: messages(14, () => annotationFields),
  sparseInitializer: messages(15, () => sparseTensorFields),
  metadataProps: messages(16, () => entryFields),
};

const annotationFields: TableOf<TensorAnnotation> = {
  tensorName: one(1, "string"),
  quantParameterTensorNames: messages(2, () => entryFields),
};

export const nodeFields: TableOf<NodeProto> = {
  input: many(1, "string"),
  output: many(2, "string"),
  name: one(3, "string"),
  opType: one(4, "string"),
  attribute: messages(5, () => attributeFields),
  docString: one(6, "text"),
  domain: one(7, "string"),
  overload: one(8, "string"),
  metadataProps: messages(9, () => entryFields),
};

export const attributeFields: TableOf<AttributeProto> = {
  name: one(1, "string"),
  f: one(2, "float"),
  i: one(3, "int64"),
  s: one(4, "bytes"),
  t: message(5, () => tensorFields),
  g: message(6, () => graphFields),
  floats: many(7, "float"),
  ints: many(8, "int64"),
  strings: many(9, "bytes"),
  tensors: messages(10, () => tensorFields),
  graphs: messages(11, () => graphFields),
  docString: one(13, "text"),
  tp: message(14, () => typeFields),
  typeProtos: messages(15, () => typeFields),
  type: one(20, "int32"),
  refAttrName: one(21, "string"),
  sparseTensor: message(22, () => sparseTensorFields),
  sparseTensors: messages(23, () => sparseTensorFields),
};

export const valueInfoFields: TableOf<ValueInfoProto> = {
  name: one(1, "string"),
  type: message(2, () => typeFields),
  docString: one(3, "text"),
  metadataProps: messages(4, () => entryFields),
};

export const tensorFields: TableOf<TensorProto> = {
  dims: many(1, "int64"),
  dataType: one(2, "int32"),
  segment: message(3, () => segmentFields),
  floatData: packed(4, "float32s"),
  int32Data: packed(5, "int32s"),
  stringData: many(6, "bytes"),
  int64Data: packed(7, "int64s"),
  name: one(8, "string"),
  rawData: one(9, "bytes"),
  doubleData: packed(10, "float64s"),
  uint64Data: packed(11, "uint64s"),
  docString: one(12, "text"),
  externalData: messages(13, () => entryFields),
  dataLocation: one(14, "int32"),
  metadataProps: messages(16, () => entryFields),
};

const segmentFields: TableOf<TensorSegment> = {
  begin: one(1, "int64"),
  end: one(2, "int64"),
};

export const sparseTensorFields: TableOf<SparseTensorProto> = {
  values: message(1, () => tensorFields),
  indices: message(2, () => tensorFields),
  dims: many(3, "int64"),
};

const shapeFields: TableOf<TensorShapeProto> = {
  dim: messages(1, () => dimensionFields),
};

const dimensionFields: TableOf<DimensionProto> = {
  dimValue: choice(one(1, "int64")),
  dimParam: choice(one(2, "string")),
  denotation: one(3, "string"),
};

export const typeFields: TableOf<TypeProto> = {
  tensorType: choice(message(1, () => tensorTypeFields)),
  sequenceType: choice(message(4, () => elementTypeFields)),
  mapType: choice(message(5, () => mapTypeFields)),
  denotation: one(6, "string"),
  sparseTensorType: choice(message(8, () => tensorTypeFields)),
  optionalType: choice(message(9, () => elementTypeFields)),
};

const tensorTypeFields: TableOf<TensorTypeProto> = {
  elemType: one(1, "int32"),
  shape: message(2, () => shapeFields),
};

const elementTypeFields: TableOf<ElementTypeProto> = {
  elemType: message(1, () => typeFields),
};

const mapTypeFields: TableOf<MapTypeProto> = {
  keyType: one(1, "int32"),
  valueType: message(2, () => typeFields),
};
