/**
 * The binary tensor extension of the Open Inference Protocol: a body is JSON followed by the bytes of
 * tensors in the order in which the JSON lists them. The header names the length of the JSON.
 * Tensors are views of the body, not copies.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { encodeElements, splitElements } from "../../kernels/strings.ts";
import {
  type DataType,
  elementBytes,
  elementCount,
  type Tensor,
  type TensorSignature,
} from "../../kernels/tensor.ts";
import { solveShapeOfBytes } from "./shape.ts";

/** Where the JSON of a body ends; 0 in a request: the whole body is the one input. */
export const headerLengthName = "inference-header-content-length";

/**
 * Reads the header that names the length of the JSON.
 * @param bodyBytes of the body after decompression.
 * @throws DawnletError INVALID_ARGUMENT for what is no length of a part of the body.
 */
export function parseHeaderLength(text: string, bodyBytes: number): number {
  const length = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (length <= bodyBytes) return length;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot read the body as Inference-Header-Content-Length is '${text}': the body has ${bodyBytes} bytes`,
  );
}

/** Hands out the binary part of a request piece by piece. */
export class BinaryReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * The next input's bytes.
   * @param sizeBytes as the client states it: `parameters.binary_data_size`.
   * @throws DawnletError INVALID_ARGUMENT where the size disagrees with the shape or with the body.
   */
  take(input: string, dataType: DataType, shape: readonly number[], sizeBytes: unknown): Tensor {
    const left = this.#bytes.byteLength - this.#offset;
    if (
      typeof sizeBytes !== "number" ||
      !Number.isSafeInteger(sizeBytes) ||
      sizeBytes < 0 ||
      sizeBytes > left
    ) {
      const stated = JSON.stringify(sizeBytes);
      throw failure(input, `its binary_data_size is ${stated}: ${left} bytes of the body are left for it`);
    }
    const data = this.#bytes.subarray(this.#offset, this.#offset + sizeBytes);
    this.#offset += sizeBytes;
    checkBytes(input, dataType, shape, data);
    return { dataType, shape, data };
  }

  /** @throws DawnletError INVALID_ARGUMENT where bytes remain that belong to no input. */
  finish(): void {
    const left = this.#bytes.byteLength - this.#offset;
    if (left === 0) return;
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot read the body as ${left} bytes follow its last input: binary_data_size states fewer`,
    );
  }
}

function checkBytes(input: string, dataType: DataType, shape: readonly number[], data: Uint8Array): void {
  const count = elementCount(shape);
  if (dataType === "string") {
    splitElements(input, data, count);
    return;
  }
  const expected = count * elementBytes[dataType];
  if (data.byteLength === expected) return;
  throw failure(input, `it has ${data.byteLength} bytes: ${dataType} of shape [${shape}] has ${expected}`);
}

/**
 * A body that is nothing but one input. A string input takes the whole body as its one element.
 * @throws DawnletError INVALID_ARGUMENT where the shape does not follow from the number of bytes.
 */
export function rawTensor(signature: TensorSignature, bytes: Uint8Array): Tensor {
  const { dataType } = signature;
  if (dataType === "string") {
    const shape = signature.shape.map((dimension) => (typeof dimension === "number" ? dimension : 1));
    if (elementCount(shape) !== 1)
      throw failure(signature.name, "a raw body is one string: its shape holds more");
    return { dataType, shape, data: encodeElements([bytes]) };
  }
  return { dataType, shape: solveShapeOfBytes(signature, bytes.byteLength), data: bytes };
}

/** A body of JSON and tensors, and the value of its header. */
export function joinBody(
  json: string,
  tensors: readonly Uint8Array[],
): { body: Uint8Array; jsonBytes: number } {
  const head = new TextEncoder().encode(json);
  const total = tensors.reduce((sum, tensor) => sum + tensor.byteLength, head.byteLength);
  const body = new Uint8Array(total);
  body.set(head);
  let offset = head.byteLength;
  for (const tensor of tensors) {
    body.set(tensor, offset);
    offset += tensor.byteLength;
  }
  return { body, jsonBytes: head.byteLength };
}

function failure(input: string, what: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot use input '${input}' as ${what}`);
}
