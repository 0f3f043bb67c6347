/**
 * Paths in a zip: which are refused, which are passed over, and what they are called once the folder
 * that all of them share is taken off. Pure; no entry's bytes are looked at.
 */
import { DawnletError } from "../../kernels/errors.ts";

const longestPathCharacters = 1024;
const longestSegmentBytes = 255;

/**
 * The parts of an entry's path.
 * @throws DawnletError INVALID_BUNDLE naming the entry where it could lead outside a folder, or where
 * operating systems disagree on what it means.
 */
export function splitPath(path: string): readonly string[] {
  const fail = (reason: string): never => {
    throw new DawnletError("INVALID_BUNDLE", `Cannot use the zip as its entry ${showPath(path)} ${reason}`);
  };
  if (path.includes("\0")) fail("has a NUL in its name");
  if (path.includes("\\")) fail("has a backslash in its path: use '/'");
  if (path.startsWith("/")) fail("has an absolute path: paths are relative to the bundle");
  if (/^[a-zA-Z]:/.test(path)) fail("begins with a drive letter: paths are relative to the bundle");
  if (path.length > longestPathCharacters)
    fail(`has a path of more than ${longestPathCharacters} characters`);
  const segments = (path.endsWith("/") ? path.slice(0, -1) : path).split("/");
  for (const segment of segments) {
    if (segment === "..") fail("leads outside the bundle ('..')");
    if (segment === "" || segment === ".") fail("has an empty part or '.' in its path");
    const isLong = new TextEncoder().encode(segment).byteLength > longestSegmentBytes;
    if (isLong) fail(`has a name of more than ${longestSegmentBytes} bytes`);
  }
  return segments;
}

/** What macOS adds to archives. */
export function isIgnored(segments: readonly string[]): boolean {
  return segments[0] === "__MACOSX" || segments.at(-1) === ".DS_Store";
}

/**
 * Checks that no two paths mean the same file on any file system: equal, equal but for case or Unicode
 * form, or one a file where another needs a folder.
 * @throws DawnletError INVALID_BUNDLE naming both.
 */
export function checkDistinct(paths: ReadonlyArray<readonly string[]>): void {
  const files = new Map<string, string>();
  const folders = new Map<string, string>();
  const clash = (a: string, b: string): never => {
    const reason = a === b ? "twice" : `beside ${showPath(b)}: some file systems cannot hold both`;
    throw new DawnletError(
      "INVALID_BUNDLE",
      `Cannot use the zip as it has the entry ${showPath(a)} ${reason}`,
    );
  };
  for (const segments of paths) {
    const path = segments.join("/");
    const key = foldCase(path);
    const other = files.get(key);
    if (other !== undefined) clash(path, other);
    files.set(key, path);
    for (let depth = 1; depth < segments.length; depth++) {
      folders.set(foldCase(segments.slice(0, depth).join("/")), path);
    }
  }
  for (const [key, path] of files) {
    const inFolder = folders.get(key);
    if (inFolder !== undefined) clash(path, inFolder);
  }
}

/** The first part of all paths where all of them lie under it, as archives of a folder have it. */
export function sharedFolder(paths: ReadonlyArray<readonly string[]>): string | undefined {
  const first = paths[0]?.[0];
  if (first === undefined) return undefined;
  return paths.every((segments) => segments.length > 1 && segments[0] === first) ? first : undefined;
}

/** A path for a message: quoted, without control characters, of bearable length. */
export function showPath(path: string): string {
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return `'${JSON.stringify(shown).slice(1, -1).replaceAll('\\"', '"').replaceAll("\\\\", "\\")}'`;
}

function foldCase(path: string): string {
  return path.normalize("NFC").toLowerCase();
}
