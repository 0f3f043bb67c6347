/**
 * The seal of a stored blob: a time of last change that says "these bytes were verified". Whoever writes to the file
 * afterwards changes the time, and a copy is another file, so neither is sealed. A pure function of digest, size and
 * inode: the store seals what it writes, device processes look. Whole even seconds of 2001: every file system keeps
 * those, and no file of ours is as old.
 *
 * It does not tell what leaves times alone: bits that flip on the disk, and people who set times on purpose.
 */

/** What the file system says about a file, without reading it. */
export interface BlobStatus {
  readonly sizeBytes: number;
  /** Tells a file from a copy of it on the same file system. */
  readonly inode: number;
  /** Time of the last change of its bytes, in milliseconds since 1970, as are all here. */
  readonly modifiedMs: number;
  /** Time of the last change of bytes, times or rights; nobody can set it. */
  readonly changedMs: number;
}

const firstMs = Date.UTC(2001, 0, 1);
/** Half of this year's seconds; odd, so that all bits of the hash count. */
const moments = (365 * 86_400) / 2 - 1;

/** The time of last change that seals a file. */
export function sealTimeMs(digest: string, { sizeBytes, inode }: BlobStatus): number {
  return firstMs + (hash(`${digest} ${sizeBytes} ${inode}`) % moments) * 2000;
}

export function isSealed(digest: string, status: BlobStatus): boolean {
  return status.modifiedMs === sealTimeMs(digest, status);
}

/** True where both were taken of one file that nobody touched in between. */
export function isUntouched(before: BlobStatus, now: BlobStatus): boolean {
  return (
    before.inode === now.inode &&
    before.sizeBytes === now.sizeBytes &&
    before.modifiedMs === now.modifiedMs &&
    before.changedMs === now.changedMs
  );
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
