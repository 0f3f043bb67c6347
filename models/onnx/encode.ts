/**
 * Writes the messages of proto.ts as protobuf bytes, by the tables of fields.ts.
 * Long `bytes` (weights) are kept as views until the end and copied once, into the result.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { DawnletError } from "../../kernels/errors.ts";
import { scalarWire } from "./decode.ts";
import type { Field, ScalarKind, Table } from "./fields.ts";
import { type NumberArray, writeNumbers } from "./packed.ts";

/** Protobuf's own limit of one message, and what 32-bit readers take. */
export const maximumMessageBytes = 2 ** 31 - 1;

/**
 * Encodes one message of the table's kind.
 * @throws DawnletError UNSUPPORTED_MODEL when the result would exceed protobuf's 2 GiB.
 */
export function encodeMessage(table: Table, message: object): Uint8Array<ArrayBuffer> {
  const pieces = new Pieces();
  writeMessage(table, message, pieces);
  return pieces.join();
}

/** From this size on a copy costs more than an entry in the list. */
const viewFromBytes = 4096;

/** Bytes under construction: a list of pieces, the last of which is still being written. */
class Pieces {
  readonly #pieces: Uint8Array[] = [];
  #lengthBytes = 0;
  #writer = new BinaryWriter();

  get writer(): BinaryWriter {
    return this.#writer;
  }

  append(bytes: Uint8Array): void {
    if (bytes.length < viewFromBytes) this.#writer.raw(bytes);
    else {
      this.#flush();
      this.#add(bytes);
    }
  }

  /** Moves another's pieces to the end of this one, after their common length. */
  appendDelimited(other: Pieces): void {
    other.#flush();
    this.#writer.uint32(other.#lengthBytes);
    for (const piece of other.#pieces) this.append(piece);
  }

  join(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const result = new Uint8Array(this.#lengthBytes);
    let offset = 0;
    for (const piece of this.#pieces) {
      result.set(piece, offset);
      offset += piece.length;
    }
    return result;
  }

  #flush(): void {
    const bytes = this.#writer.finish();
    if (bytes.length > 0) this.#add(bytes);
  }

  #add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#lengthBytes += piece.length;
    if (this.#lengthBytes > maximumMessageBytes) {
      throw new DawnletError(
        "UNSUPPORTED_MODEL",
        "Cannot write the model as it exceeds 2 GiB in one file: keep its weights as external data",
      );
    }
  }
}

function writeMessage(table: Table, message: object, pieces: Pieces): void {
  const values: Record<string, unknown> = { ...message };
  for (const name in table) {
    const value = values[name];
    if (value !== undefined) writeField(table[name]!, value, pieces);
  }
  for (const bytes of (values.unknownFields ?? []) as readonly Uint8Array[]) pieces.append(bytes);
}

/** `value` is what fields.ts guarantees for the field. */
function writeField(field: Field, value: unknown, pieces: Pieces): void {
  const { number } = field;
  switch (field.type) {
    case "scalar":
      writeScalar(number, field.kind, value, pieces);
      break;
    case "scalars":
      for (const element of value as readonly unknown[]) writeScalar(number, field.kind, element, pieces);
      break;
    case "packed": {
      const numbers = value as NumberArray;
      if (numbers.length === 0) break;
      const run = new Pieces();
      writeNumbers(field.kind, numbers, run.writer);
      pieces.writer.tag(number, WireType.LengthDelimited);
      pieces.appendDelimited(run);
      break;
    }
    case "message":
      writeNested(number, field.of(), value as object, pieces);
      break;
    case "messages":
      for (const element of value as readonly object[]) writeNested(number, field.of(), element, pieces);
      break;
    default:
      field satisfies never;
  }
}

function writeNested(number: number, table: Table, message: object, pieces: Pieces): void {
  const nested = new Pieces();
  writeMessage(table, message, nested);
  pieces.writer.tag(number, WireType.LengthDelimited);
  pieces.appendDelimited(nested);
}

function writeScalar(number: number, kind: ScalarKind, value: unknown, pieces: Pieces): void {
  const { writer } = pieces;
  writer.tag(number, scalarWire[kind]);
  switch (kind) {
    case "string":
    case "text":
      writer.string(value as string);
      break;
    case "bytes": {
      const bytes = value as Uint8Array;
      writer.uint32(bytes.length);
      pieces.append(bytes);
      break;
    }
    case "int32":
      writer.int32(value as number);
      break;
    case "int64":
      writer.int64(value as bigint);
      break;
    case "float":
      writer.float(value as number);
      break;
    default:
      kind satisfies never;
  }
}
