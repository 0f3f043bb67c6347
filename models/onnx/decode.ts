/**
 * Reads protobuf bytes into the messages of proto.ts, by the tables of fields.ts.
 * Bounded for any bytes: depth and number of objects are limited, typed arrays by the file's size, and
 * `bytes` fields are views. What a model must have to be valid is model.ts's matter.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { Field, PackedKind, ScalarKind, Table } from "./fields.ts";
import { type NumberArray, noNumbers, PackedNumbers, packedWire } from "./packed.ts";

/** Protobuf's own default. Real models nest graphs two or three deep. */
const maximumDepth = 100;

/** Of one file, in the weights of `messageWeight` and 1 a list element: keeps hostile files under a gigabyte. */
const maximumWeight = 1 << 23;
const messageWeight = 4;

/** How a single value of each kind stands on the wire. */
export const scalarWire: Readonly<Record<ScalarKind, WireType>> = {
  string: WireType.LengthDelimited,
  text: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
  int32: WireType.Varint,
  int64: WireType.Varint,
  float: WireType.Bit32,
};

/**
 * Decodes one message of the table's kind.
 * @throws Error whose message says what is wrong, for any bytes that are no such message.
 */
export function decodeMessage(table: Table, bytes: Uint8Array): unknown {
  return new Decoder(bytes).message(table, bytes.length, undefined, 0);
}

type Draft = Record<string, unknown> & { unknownFields?: Uint8Array[] };
type NamedField = readonly [name: string, field: Field];

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #reader: BinaryReader;
  #weight = 0;

  constructor(bytes: Uint8Array) {
    // A subclass (Node's Buffer) would make every view one of its own kind.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#reader = new BinaryReader(this.#bytes);
  }

  /** Reads up to `end`. A message field that occurs twice is merged, as protobuf demands. */
  message(table: Table, end: number, existing: Draft | undefined, depth: number): Draft {
    if (depth > maximumDepth) throw new Error(`messages nest deeper than ${maximumDepth}`);
    this.#count(messageWeight);
    const reader = this.#reader;
    const draft = existing ?? emptyMessage(table);
    const packed = new Map<string, PackedNumbers>();
    while (reader.pos < end) {
      const start = reader.pos;
      const [number, wireType] = reader.tag();
      const named = byNumber(table).get(number);
      if (named === undefined || !this.#read(table, named, wireType, draft, packed, depth)) {
        reader.skip(wireType, number);
        this.#keep(draft, start);
      }
      if (reader.pos > end) throw new Error(`field ${number} at byte ${start} is longer than its message`);
    }
    for (const [name, numbers] of packed) draft[name] = numbers.finish();
    return draft;
  }

  /** False where the wire type does not fit the field: protobuf treats it as unknown then. */
  #read(
    table: Table,
    [name, field]: NamedField,
    wireType: WireType,
    draft: Draft,
    packed: Map<string, PackedNumbers>,
    depth: number,
  ): boolean {
    switch (field.type) {
      case "scalar":
        if (wireType !== scalarWire[field.kind]) return false;
        choose(table, draft, name, field.oneof);
        draft[name] = this.#scalar(field.kind);
        return true;
      case "scalars":
        if (wireType === scalarWire[field.kind]) listOf(draft, name).push(this.#scalar(field.kind));
        else if (wireType === WireType.LengthDelimited) this.#scalars(field.kind, listOf(draft, name));
        else return false;
        return true;
      case "packed": {
        const isRun = wireType === WireType.LengthDelimited;
        if (!isRun && wireType !== packedWire[field.kind]) return false;
        const numbers = packed.get(name) ?? startPacked(field.kind, draft[name]);
        packed.set(name, numbers);
        if (isRun) numbers.readRun(this.#reader, this.#bytes, this.#length());
        else numbers.readOne(this.#reader);
        return true;
      }
      case "message": {
        if (wireType !== WireType.LengthDelimited) return false;
        choose(table, draft, name, field.oneof);
        const end = this.#length();
        draft[name] = this.message(field.of(), end, draft[name] as Draft | undefined, depth + 1);
        return true;
      }
      case "messages":
        if (wireType !== WireType.LengthDelimited) return false;
        listOf(draft, name).push(this.message(field.of(), this.#length(), undefined, depth + 1));
        return true;
      default:
        return field satisfies never;
    }
  }

  #scalars(kind: ScalarKind, list: unknown[]): void {
    const end = this.#length();
    while (this.#reader.pos < end) list.push(this.#scalar(kind));
    if (this.#reader.pos !== end) throw new Error(`a list of numbers does not end at byte ${end}`);
  }

  #scalar(kind: ScalarKind): unknown {
    this.#count(1);
    const reader = this.#reader;
    switch (kind) {
      case "string":
        return reader.string(true);
      case "text":
        return reader.string();
      case "bytes":
        return reader.bytes();
      case "int32":
        return reader.int32();
      case "int64":
        return BigInt(reader.int64());
      case "float":
        return reader.float();
      default:
        return kind satisfies never;
    }
  }

  /** Reads a length and returns where the value ends. */
  #length(): number {
    const length = this.#reader.uint32();
    const end = this.#reader.pos + length;
    if (end > this.#bytes.length) {
      throw new Error(`byte ${this.#reader.pos} announces ${length} bytes, but the file ends sooner`);
    }
    return end;
  }

  #keep(draft: Draft, start: number): void {
    this.#count(1);
    const end = this.#reader.pos;
    draft.unknownFields ??= [];
    const last = draft.unknownFields.at(-1);
    // Neighbours become one view: a file of nothing but unknown fields stays small in memory.
    const joins = last !== undefined && last.byteOffset + last.length === this.#bytes.byteOffset + start;
    if (joins) draft.unknownFields.pop();
    draft.unknownFields.push(this.#bytes.subarray(joins ? start - last.length : start, end));
  }

  #count(weight: number): void {
    this.#weight += weight;
    if (this.#weight > maximumWeight) throw new Error("it has too many nodes, names or list elements");
  }
}

/** Shared, since most list fields of most messages are empty. */
const noElements: readonly never[] = Object.freeze([]);

function emptyMessage(table: Table): Draft {
  const draft: Draft = {};
  for (const name in table) {
    const field = table[name]!;
    if (field.type === "scalars" || field.type === "messages") draft[name] = noElements;
    else if (field.type === "packed") draft[name] = noNumbers[field.kind];
  }
  return draft;
}

function listOf(draft: Draft, name: string): unknown[] {
  if (draft[name] === noElements) draft[name] = [];
  return draft[name] as unknown[];
}

function startPacked(kind: PackedKind, existing: unknown): PackedNumbers {
  return new PackedNumbers(kind, existing as NumberArray);
}

/** Of several members of a oneof the last one wins. */
function choose(table: Table, draft: Draft, chosen: string, oneof: string | undefined): void {
  if (oneof === undefined) return;
  for (const name in table) {
    const field = table[name]!;
    if (name !== chosen && "oneof" in field && field.oneof === oneof) delete draft[name];
  }
}

const numbered = new Map<Table, ReadonlyMap<number, NamedField>>();

function byNumber(table: Table): ReadonlyMap<number, NamedField> {
  let known = numbered.get(table);
  if (known === undefined) {
    known = new Map(Object.entries(table).map(([name, field]) => [field.number, [name, field]]));
    numbered.set(table, known);
  }
  return known;
}
