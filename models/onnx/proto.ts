/**
 * The messages of onnx.proto as plain types. Names are those of onnx.proto in camelCase.
 * A repeated field is always an array, an absent singular field is an absent property, 64-bit integers are
 * bigint. How they are read and written is in codec.ts and fields.ts.
 */

/** Fields that this version does not know, byte for byte, so that writing a model loses nothing. */
export interface Unknowns {
  readonly unknownFields?: readonly Uint8Array[];
}

export interface ModelProto extends Unknowns {
  readonly irVersion?: bigint;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: bigint;
  readonly docString?: string;
  readonly graph?: GraphProto;
  readonly opsetImport: readonly OperatorSetIdProto[];
  readonly metadataProps: readonly StringStringEntryProto[];
  readonly trainingInfo: readonly TrainingInfoProto[];
  readonly functions: readonly FunctionProto[];
}

export interface OperatorSetIdProto extends Unknowns {
  readonly domain?: string;
  readonly version?: bigint;
}

export interface StringStringEntryProto extends Unknowns {
  readonly key?: string;
  readonly value?: string;
}

export interface TrainingInfoProto extends Unknowns {
  readonly initialization?: GraphProto;
  readonly algorithm?: GraphProto;
  readonly initializationBinding: readonly StringStringEntryProto[];
  readonly updateBinding: readonly StringStringEntryProto[];
}

export interface FunctionProto extends Unknowns {
  readonly name?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly string[];
  readonly node: readonly NodeProto[];
  readonly docString?: string;
  readonly opsetImport: readonly OperatorSetIdProto[];
  readonly domain?: string;
  readonly attributeProto: readonly AttributeProto[];
  readonly valueInfo: readonly ValueInfoProto[];
  readonly overload?: string;
  readonly metadataProps: readonly StringStringEntryProto[];
}

export interface GraphProto extends Unknowns {
  readonly node: readonly NodeProto[];
  readonly name?: string;
  readonly initializer: readonly TensorProto[];
  readonly docString?: string;
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
  readonly valueInfo: readonly ValueInfoProto[];
  readonly quantizationAnnotation: readonly TensorAnnotation[];
  readonly sparseInitializer: readonly SparseTensorProto[];
  readonly metadataProps: readonly StringStringEntryProto[];
}

export interface TensorAnnotation extends Unknowns {
  readonly tensorName?: string;
  readonly quantParameterTensorNames: readonly StringStringEntryProto[];
}

export interface NodeProto extends Unknowns {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly attribute: readonly AttributeProto[];
  readonly docString?: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly metadataProps: readonly StringStringEntryProto[];
}

/** Which field of an AttributeProto is in use. */
export const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
  typeProto: 13,
  typeProtos: 14,
} as const;

export interface AttributeProto extends Unknowns {
  readonly name?: string;
  readonly f?: number;
  readonly i?: bigint;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly floats: readonly number[];
  readonly ints: readonly bigint[];
  readonly strings: readonly Uint8Array[];
  readonly tensors: readonly TensorProto[];
  readonly graphs: readonly GraphProto[];
  readonly docString?: string;
  readonly tp?: TypeProto;
  readonly typeProtos: readonly TypeProto[];
  /** One of `attributeType`. */
  readonly type?: number;
  readonly refAttrName?: string;
  readonly sparseTensor?: SparseTensorProto;
  readonly sparseTensors: readonly SparseTensorProto[];
}

export interface ValueInfoProto extends Unknowns {
  readonly name?: string;
  readonly type?: TypeProto;
  readonly docString?: string;
  readonly metadataProps: readonly StringStringEntryProto[];
}

export interface TensorProto extends Unknowns {
  readonly dims: readonly bigint[];
  /** A code of data-types.ts. */
  readonly dataType?: number;
  readonly segment?: TensorSegment;
  readonly floatData: Float32Array;
  readonly int32Data: Int32Array;
  readonly stringData: readonly Uint8Array[];
  readonly int64Data: BigInt64Array;
  readonly name?: string;
  /** A view into the bytes that were decoded, not a copy. */
  readonly rawData?: Uint8Array;
  readonly doubleData: Float64Array;
  readonly uint64Data: BigUint64Array;
  readonly docString?: string;
  readonly externalData: readonly StringStringEntryProto[];
  /** 1: the bytes are in another file, which `externalData` names. */
  readonly dataLocation?: number;
  readonly metadataProps: readonly StringStringEntryProto[];
}

export interface TensorSegment extends Unknowns {
  readonly begin?: bigint;
  readonly end?: bigint;
}

export interface SparseTensorProto extends Unknowns {
  readonly values?: TensorProto;
  readonly indices?: TensorProto;
  readonly dims: readonly bigint[];
}

export interface TensorShapeProto extends Unknowns {
  readonly dim: readonly DimensionProto[];
}

/** At most one of `dimValue` and `dimParam`; neither where nothing is known. */
export interface DimensionProto extends Unknowns {
  readonly dimValue?: bigint;
  readonly dimParam?: string;
  readonly denotation?: string;
}

/** At most one of the `…Type` fields. */
export interface TypeProto extends Unknowns {
  readonly tensorType?: TensorTypeProto;
  readonly sequenceType?: ElementTypeProto;
  readonly mapType?: MapTypeProto;
  readonly denotation?: string;
  readonly sparseTensorType?: TensorTypeProto;
  readonly optionalType?: ElementTypeProto;
}

export interface TensorTypeProto extends Unknowns {
  readonly elemType?: number;
  readonly shape?: TensorShapeProto;
}

/** Of a sequence or an optional. */
export interface ElementTypeProto extends Unknowns {
  readonly elemType?: TypeProto;
}

export interface MapTypeProto extends Unknowns {
  readonly keyType?: number;
  readonly valueType?: TypeProto;
}
