/** Reads plain tar archives (POSIX ustar): regular files by their names. */
import { DawnletError } from "../../kernels/errors.ts";

const blockBytes = 512;
const decoder = new TextDecoder();

/**
 * @returns the archive's regular files, as views of it.
 * @throws DawnletError CORRUPT_DATA where it is no archive or ends too early.
 */
export function untar(archive: Uint8Array<ArrayBuffer>): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  let at = 0;
  while (at + blockBytes <= archive.byteLength) {
    const header = archive.subarray(at, at + blockBytes);
    // Zero blocks end the archive.
    if (header.every((byte) => byte === 0)) return files;
    const name = text(header, 0, 100);
    const prefix = text(header, 345, 155);
    const sizeBytes = Number.parseInt(text(header, 124, 12), 8);
    const type = header[156]!;
    at += blockBytes;
    if (!isChecked(header) || !(sizeBytes >= 0) || at + sizeBytes > archive.byteLength) break;
    if (type === 0 || type === 0x30) {
      files.set(
        (prefix ? `${prefix}/${name}` : name).replace(/^\.\//, ""),
        archive.subarray(at, at + sizeBytes),
      );
    }
    at += Math.ceil(sizeBytes / blockBytes) * blockBytes;
  }
  if (at === archive.byteLength) return files;
  throw new DawnletError("CORRUPT_DATA", `Cannot read a tar archive as it is broken at byte ${at}`);
}

function text(header: Uint8Array, offset: number, sizeBytes: number): string {
  const field = header.subarray(offset, offset + sizeBytes);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end)).trim();
}

/** The sum of the header's bytes, with its own field counted as spaces. */
function isChecked(header: Uint8Array): boolean {
  const stated = Number.parseInt(text(header, 148, 8), 8);
  let sum = 0;
  for (let index = 0; index < blockBytes; index++) sum += index >= 148 && index < 156 ? 0x20 : header[index]!;
  return sum === stated;
}
