/** TensorProto ⇄ Tensor: every place where ONNX can keep bytes, and what is refused there. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { DataType } from "../../../kernels/tensor.ts";
import { makeTensor, noTensor } from "../../../models/onnx/build.ts";
import { onnxTypeCode } from "../../../models/onnx/data-types.ts";
import { externalFiles, verifyChecksums } from "../../../models/onnx/external.ts";
import type { TensorProto } from "../../../models/onnx/proto.ts";
import { readTensor, writeTensor } from "../../../models/onnx/tensor.ts";

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

function proto(dataType: DataType, shape: readonly number[], fields: Partial<TensorProto>): TensorProto {
  return { ...noTensor, name: "w", dims: shape.map(BigInt), dataType: onnxTypeCode(dataType), ...fields };
}

describe("readTensor()", () => {
  it.each<[DataType, Partial<TensorProto>, ArrayBufferView]>([
    ["float32", { floatData: Float32Array.of(1.5, -2) }, Float32Array.of(1.5, -2)],
    ["float64", { doubleData: Float64Array.of(1.5, -2) }, Float64Array.of(1.5, -2)],
    ["int64", { int64Data: BigInt64Array.of(-1n, 2n ** 62n) }, BigInt64Array.of(-1n, 2n ** 62n)],
    ["uint64", { uint64Data: BigUint64Array.of(2n ** 64n - 1n, 0n) }, BigUint64Array.of(2n ** 64n - 1n, 0n)],
    ["uint32", { uint64Data: BigUint64Array.of(2n ** 32n - 1n, 1n) }, Uint32Array.of(2 ** 32 - 1, 1)],
    ["int32", { int32Data: Int32Array.of(-5, 5) }, Int32Array.of(-5, 5)],
    ["int16", { int32Data: Int32Array.of(-5, 5) }, Int16Array.of(-5, 5)],
    ["uint16", { int32Data: Int32Array.of(65535, 5) }, Uint16Array.of(65535, 5)],
    ["float16", { int32Data: Int32Array.of(0x3e00, 0xc000) }, Float16Array.of(1.5, -2)],
    ["int8", { int32Data: Int32Array.of(-5, 5) }, Int8Array.of(-5, 5)],
    ["uint8", { int32Data: Int32Array.of(255, 5) }, Uint8Array.of(255, 5)],
    ["bool", { int32Data: Int32Array.of(2, 0) }, Uint8Array.of(1, 0)],
  ])("reads %s from its typed field and from raw data", (dataType, fields, expected) => {
    const data = bytesOf(expected);
    expect(readTensor(proto(dataType, [2, 1], fields))).toEqual({ dataType, shape: [2, 1], data });
    expect(readTensor(proto(dataType, [2, 1], { rawData: data })).data).toBe(data);
  });

  it("reads and writes strings", () => {
    const stringData = ["", "ä", "two words"].map((text) => new TextEncoder().encode(text));
    const tensor = readTensor(proto("string", [3], { stringData }));
    expect(tensor.data).toHaveLength(3 * 4 + 2 + 9);
    expect(writeTensor("w", tensor)).toEqual(proto("string", [3], { stringData }));
  });

  it("writes what it reads without copying", () => {
    const tensor = { dataType: "float32", shape: [2], data: bytesOf(Float32Array.of(1, 2)) } as const;
    expect(readTensor(writeTensor("w", tensor))).toEqual(tensor);
    expect(writeTensor("w", tensor).rawData).toBe(tensor.data);
  });

  it("reads a scalar and a tensor without elements", () => {
    expect(readTensor(proto("float32", [], { floatData: Float32Array.of(7) })).shape).toEqual([]);
    expect(readTensor(proto("float32", [0, 3], {})).data).toHaveLength(0);
  });

  it.each([
    ["too few bytes", proto("float32", [3], { rawData: new Uint8Array(8) }), "INVALID_MODEL", "takes 12"],
    ["a negative dimension", proto("float32", [-1], {}), "INVALID_MODEL", "[-1]"],
    ["a shape past counting", proto("float32", [2 ** 52, 2 ** 52], {}), "INVALID_MODEL", "its shape"],
    ["too few strings", proto("string", [2], { stringData: [] }), "INVALID_MODEL", "0 strings"],
    ["a segment", proto("float32", [0], { segment: { begin: 0n } }), "INVALID_MODEL", "segment"],
    ["bfloat16", { ...proto("float32", [0], {}), dataType: 16 }, "UNSUPPORTED_MODEL", "it is bfloat16"],
    ["a type of the future", { ...proto("float32", [0], {}), dataType: 77 }, "UNSUPPORTED_MODEL", "type 77"],
  ])("refuses %s", (_, tensor, code, message) => {
    expect(() => readTensor(tensor)).toThrow(expect.objectContaining({ code }));
    expect(() => readTensor(tensor)).toThrow(message);
  });
});

describe("external data", () => {
  const file = Uint8Array.from({ length: 32 }, (_, index) => index);
  const files = (location: string) => (location === "weights/a.bin" ? file : undefined);
  const external = (entries: Readonly<Record<string, string>>) =>
    proto("uint8", [4], {
      dataLocation: 1,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    });

  it("is read at its offset, as a view", () => {
    const tensor = external({ location: "weights/a.bin", offset: "8", length: "4" });
    const { data } = readTensor(tensor, files);
    expect([...data]).toEqual([8, 9, 10, 11]);
    expect(data.buffer).toBe(file.buffer);
  });

  it("reaches to the end of the file without a length, and `./` is the folder itself", () => {
    const { data } = readTensor(external({ location: "./weights//a.bin", offset: "28" }), files);
    expect([...data]).toEqual([28, 29, 30, 31]);
  });

  it.each(["../a.bin", "weights/../../a.bin", "/etc/passwd", "weights\\a.bin", "C:a.bin", "", ".", "a\0b"])(
    "refuses the location %j",
    (location) => {
      expect(() => readTensor(external({ location, offset: "8", length: "4" }), () => file)).toThrow(
        expect.objectContaining({ code: "INVALID_MODEL" }),
      );
    },
  );

  it.each([
    ["no location", {}, "names no location"],
    ["a missing file", { location: "b.bin" }, "'b.bin' is not beside the model"],
    ["a range past the end", { location: "weights/a.bin", offset: "30", length: "4" }, "past the end"],
    ["an offset past the end", { location: "weights/a.bin", offset: "33" }, "past the end"],
    ["a negative offset", { location: "weights/a.bin", offset: "-1" }, "no number of bytes"],
    ["a length that is no number", { location: "weights/a.bin", length: "1e3" }, "no number of bytes"],
  ])("refuses %s", (_, entries, message) => {
    expect(() => readTensor(external(entries), files)).toThrow(message);
  });

  it("is checked against the checksum that the model states", async () => {
    const checksum = createHash("sha1").update(file).digest("hex");
    const model = (tensor: TensorProto) => ({
      opsetImport: [],
      metadataProps: [],
      trainingInfo: [],
      functions: [],
      graph: {
        node: [],
        initializer: [tensor, tensor],
        input: [],
        output: [],
        valueInfo: [],
        quantizationAnnotation: [],
        sparseInitializer: [],
        metadataProps: [],
      },
    });
    const right = model(external({ location: "weights/a.bin", checksum: checksum.toUpperCase() }));
    await verifyChecksums(right, files);
    expect(externalFiles(right)).toEqual(["weights/a.bin"]);
    const wrong = model(external({ location: "weights/a.bin", checksum: "0".repeat(40) }));
    await expect(verifyChecksums(wrong, files)).rejects.toThrow(/SHA-1 of 'weights\/a.bin'/);
    await expect(verifyChecksums(right, () => undefined)).rejects.toThrow("not beside the model");
    // Part of a larger buffer, and in memory that threads share.
    const larger = Uint8Array.of(7, ...file, 7).subarray(1, -1);
    const shared = new Uint8Array(new SharedArrayBuffer(file.length));
    shared.set(file);
    for (const same of [larger, shared]) {
      await verifyChecksums(right, () => same);
      await expect(verifyChecksums(wrong, () => same)).rejects.toMatchObject({ code: "INVALID_MODEL" });
    }
  });

  it("leaves inline tensors alone", () => {
    expect(readTensor(makeTensor("w", "uint8", [1], Uint8Array.of(9)), () => undefined).data).toEqual(
      Uint8Array.of(9),
    );
  });
});
