/** The ONNX codec: real files, hostile bytes, and what protobuf demands of every reader. */
import { isDeepStrictEqual } from "node:util";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { makeInt64s, makeNode, makeValue, noTensor } from "../../../models/onnx/build.ts";
import {
  decodeModel,
  decodeTensorProto,
  encodeModel,
  encodeTensorProto,
  type Model,
  opsetOf,
} from "../../../models/onnx/model.ts";
import { missingFiles, readShared, sharedModels } from "./shared-files.ts";

const small: Model = {
  irVersion: 8n,
  opsetImport: [{ domain: "", version: 17n }],
  metadataProps: [{ key: "author", value: "nobody" }],
  trainingInfo: [],
  functions: [],
  graph: {
    name: "small",
    node: [
      makeNode("Relu", ["x"], ["r"]),
      makeNode("Slice", ["r", "starts", "ends"], ["y"], {}, { name: "cut" }),
    ],
    initializer: [makeInt64s("starts", [0n]), makeInt64s("ends", [2n ** 63n - 1n])],
    input: [makeValue("x", "float32", ["batch", 4])],
    output: [makeValue("y", "float32", ["batch", 4])],
    valueInfo: [],
    quantizationAnnotation: [],
    sparseInitializer: [],
    metadataProps: [],
  },
};
const smallBytes = encodeModel(small);

describe("decodeModel()", () => {
  describe.skipIf(missingFiles !== undefined)("on real files", () => {
    it.each(missingFiles === undefined ? sharedModels() : [])("reads and writes %s byte for byte", (path) => {
      const bytes = readShared(path);
      const model = decodeModel(bytes);
      const written = encodeModel(model);
      expect(isDeepStrictEqual(decodeModel(written), model)).toBe(true);
      // All these files were written in the order of field numbers, as encodeModel() writes.
      expect(Buffer.compare(written, bytes)).toBe(0);
    });
  });

  it("gives back what was encoded", () => {
    expect(decodeModel(smallBytes)).toEqual(small);
    expect(opsetOf(decodeModel(smallBytes).opsetImport)).toBe(17);
  });

  it("keeps raw data as a view of the given bytes", () => {
    const [tensor] = decodeModel(smallBytes).graph.initializer;
    expect(tensor?.rawData?.buffer).toBe(smallBytes.buffer);
  });

  it("keeps fields that it does not know, wherever they stand, and writes them back", () => {
    const strange = new BinaryWriter()
      .tag(99, WireType.Varint)
      .uint32(7)
      .tag(500, WireType.Bit32)
      .fixed32(1)
      .finish();
    const model = decodeModel(concat(smallBytes, strange));
    expect(model.unknownFields).toEqual([strange]);
    expect(decodeModel(encodeModel(model))).toEqual(model);
  });

  it("takes a field of the wrong wire type for an unknown one", () => {
    const wrong = new BinaryWriter().tag(2, WireType.Varint).uint32(7).finish();
    const model = decodeModel(concat(smallBytes, wrong));
    expect(model.producerName).toBeUndefined();
    expect(model.unknownFields).toEqual([wrong]);
  });

  it("merges a graph that comes in two parts", () => {
    const part = new BinaryWriter().tag(7, WireType.LengthDelimited).fork();
    part.tag(1, WireType.LengthDelimited).fork().tag(4, WireType.LengthDelimited).string("Neg").join();
    const { graph } = decodeModel(concat(smallBytes, part.join().finish()));
    expect(graph.node.map((node) => node.opType)).toEqual(["Relu", "Slice", "Neg"]);
    expect(graph.name).toBe("small");
  });

  it.each([
    ["no bytes", new Uint8Array(0), "it is empty"],
    ["a model without a graph", encodeModel(withoutGraph(small)), "it has no graph"],
    ["a model without an opset", encodeModel({ ...small, opsetImport: [] }), "opset_import"],
    [
      "a model without outputs",
      encodeModel({ ...small, graph: { ...small.graph, output: [] } }),
      "no outputs",
    ],
    ["a name that is no UTF-8", withBrokenName(), "Cannot read the model as"],
    ["graphs nested without end", nested(200), "nest deeper"],
    ["text", new TextEncoder().encode("<!doctype html><title>Not found</title>"), "Cannot read the model as"],
  ])("refuses %s", (_, bytes, message) => {
    expect(failure(() => decodeModel(bytes))).toMatchObject({ code: "INVALID_MODEL" });
    expect(() => decodeModel(bytes)).toThrow(message);
  });

  it("takes graphs nested as deep as real ones", () => {
    expect(decodeModel(nested(20)).graph.node).toHaveLength(1);
  });

  it("refuses a small file that would become millions of objects", () => {
    const bomb = new Uint8Array(2 ** 23);
    for (let index = 0; index < bomb.length; index += 2) bomb[index] = 0x42; // opset_import, 0 bytes long
    expect(failure(() => decodeModel(bomb))).toMatchObject({ code: "INVALID_MODEL" });
  });

  it("refuses every truncation of a model, or reads a model that lacks its end", () => {
    for (let length = 0; length < smallBytes.length; length += 1)
      onlyInvalidModel(smallBytes.subarray(0, length));
  });

  it("answers any bytes with a model or INVALID_MODEL", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), onlyInvalidModel), { numRuns: 2000 });
  });

  it("answers any damage to a model with a model or INVALID_MODEL", () => {
    const damage = fc.array(fc.tuple(fc.nat(smallBytes.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = smallBytes.slice();
        for (const [at, value] of changes) bytes[at] = value;
        onlyInvalidModel(bytes);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("decodeTensorProto()", () => {
  const values = {
    floatData: fc.float32Array(),
    doubleData: fc.float64Array(),
    int32Data: fc.int32Array(),
    int64Data: fc.bigInt64Array(),
    uint64Data: fc.bigUint64Array(),
    dims: fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    stringData: fc.array(fc.uint8Array({ maxLength: 10 })),
    name: fc.string({ unit: "binary" }),
  };

  it("gives back every list of numbers that was encoded", () => {
    fc.assert(
      fc.property(fc.record(values), (fields) => {
        const tensor = { ...noTensor, ...fields };
        expect(decodeTensorProto(encodeTensorProto(tensor))).toEqual(tensor);
      }),
    );
  });

  it("reads lists that were written value by value, and mixtures of both", () => {
    const writer = new BinaryWriter();
    writer.tag(4, WireType.Bit32).float(1).tag(4, WireType.LengthDelimited).fork().float(2).float(3).join();
    writer.tag(4, WireType.Bit32).float(4);
    for (const value of [-1n, 2n ** 63n - 1n, 5n]) writer.tag(7, WireType.Varint).int64(value);
    writer.tag(1, WireType.LengthDelimited).fork().int64(2).int64(-3).join();
    const tensor = decodeTensorProto(writer.finish());
    expect(tensor.floatData).toEqual(Float32Array.of(1, 2, 3, 4));
    expect(tensor.int64Data).toEqual(BigInt64Array.of(-1n, 2n ** 63n - 1n, 5n));
    expect(tensor.dims).toEqual([2n, -3n]);
  });

  it.each([
    ["floats of 5 bytes", [0x22, 5, 0, 0, 0, 0, 0]],
    ["a varint that never ends", [0x3a, 2, 0x80, 0x80]],
    ["a length past the end", [0x4a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]],
  ])("refuses %s", (_, bytes) => {
    expect(failure(() => decodeTensorProto(Uint8Array.from(bytes)))).toMatchObject({ code: "INVALID_MODEL" });
  });
});

/** Any outcome is right but another kind of error, a hang or a crash. What decodes must survive a round trip. */
function onlyInvalidModel(bytes: Uint8Array): void {
  let model: Model;
  try {
    model = decodeModel(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(DawnletError);
    expect(error).toMatchObject({ code: "INVALID_MODEL" });
    return;
  }
  // Unknown fields move to the end of their message, so the second writing settles the order.
  const written = encodeModel(model);
  expect(Buffer.compare(encodeModel(decodeModel(written)), written)).toBe(0);
}

function failure(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function withoutGraph(model: Model): Omit<Model, "graph"> {
  const { graph: _, ...rest } = model;
  return rest;
}

function withBrokenName(): Uint8Array {
  const at = Buffer.from(smallBytes).indexOf("cut");
  const bytes = smallBytes.slice();
  bytes[at] = 0xff;
  return bytes;
}

/** A model whose one node holds a graph whose one node holds a graph, and so on. */
function nested(depth: number): Uint8Array {
  let graph = small.graph;
  for (let level = 0; level < depth; level += 3) {
    graph = { ...small.graph, node: [makeNode("If", ["x"], ["y"], { then_branch: graph })] };
  }
  return encodeModel({ ...small, graph });
}
