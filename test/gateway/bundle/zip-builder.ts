/**
 * Writes zips field by field, so that tests can lie in any of them. Follows PKWARE's APPNOTE 6.3,
 * sections 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (end record).
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import { temporaryFolder } from "../store/folders.ts";

export interface ZipPart {
  readonly name: string | Uint8Array;
  readonly content?: string | Uint8Array;
  readonly deflate?: boolean;
  /** What the headers say instead of the truth. */
  readonly sizeBytes?: number;
  readonly compressedBytes?: number;
  readonly crc?: number;
  readonly flags?: number;
  readonly method?: number;
  /** `st_mode` of Unix. */
  readonly mode?: number;
  readonly localName?: string;
  /** Points at the data of the part before instead of its own. */
  readonly overlaps?: boolean;
}

const utf8Flag = 0x0800;

export function buildZip(parts: readonly ZipPart[]): Uint8Array<ArrayBuffer> {
  const local: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  let previousOffset = 0;
  for (const part of parts) {
    const name = bytesOf(part.name);
    const content = bytesOf(part.content ?? "");
    const data = part.deflate === true ? new Uint8Array(deflateRawSync(content)) : content;
    const common = record(
      [2, part.flags ?? utf8Flag],
      [2, part.method ?? (part.deflate === true ? 8 : 0)],
      [4, 0x5a21_0000],
      [4, part.crc ?? crc32(content)],
      [4, part.compressedBytes ?? data.byteLength],
      [4, part.sizeBytes ?? content.byteLength],
    );
    const localName = part.localName === undefined ? name : bytesOf(part.localName);
    const header = record([4, 0x04034b50], [2, 20], common, [2, localName.byteLength], [2, 0], localName);
    central.push(
      record(
        ...([
          [4, 0x02014b50],
          [2, (3 << 8) | 20],
          [2, 20],
          common,
          [2, name.byteLength],
          [2, 0],
          [2, 0],
        ] as const),
        ...([
          [2, 0],
          [2, 0],
          [4, ((part.mode ?? 0o100644) << 16) >>> 0],
        ] as const),
        [4, part.overlaps === true ? previousOffset : offset],
        name,
      ),
    );
    previousOffset = offset;
    if (part.overlaps === true) continue;
    local.push(header, data);
    offset += header.byteLength + data.byteLength;
  }
  const directory = record(...central);
  const end = record(
    ...([
      [4, 0x06054b50],
      [2, 0],
      [2, 0],
      [2, parts.length],
      [2, parts.length],
    ] as const),
    ...([
      [4, directory.byteLength],
      [4, offset],
      [2, 0],
    ] as const),
  );
  return record(...local, directory, end);
}

/** Little-endian numbers of so many bytes, and bytes as they are. */
function record(
  ...fields: ReadonlyArray<Uint8Array | readonly [sizeBytes: number, value: number]>
): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const field of fields) {
    if (field instanceof Uint8Array) for (const byte of field) bytes.push(byte);
    else for (let i = 0; i < field[0]; i++) bytes.push(Math.floor(field[1] / 256 ** i) % 256);
  }
  return new Uint8Array(bytes);
}

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}

/** A file with these bytes, in a folder of its own. */
export async function temporaryFile(bytes: Uint8Array): Promise<{ readonly path: string } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const path = join(folder.path, "upload");
  await writeFile(path, bytes);
  return { path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
