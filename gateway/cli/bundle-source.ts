/**
 * What `dawnlet deploy` sends: a file as it is, or a folder zipped on the fly. The same folder gives the same
 * bytes on every machine (sorted, stored without compression, no times), so the gateway knows what it has.
 */
import { createReadStream, type Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { configure, ZipWriter } from "@zip.js/zip.js";
import { DawnletError } from "../../kernels/errors.ts";
import { defaultBundleLimits } from "../bundle/read-bundle.ts";

// Worker threads would make an upload of a few kilobytes wait for their start.
configure({ useWebWorkers: false });

export interface BundleSource {
  /** A function name made of the file's or the folder's. */
  readonly defaultName: string;
  /** Of the files; a zip adds a little to each. */
  readonly sizeBytes: number;
  readonly contentType: string;
  /** @param onRead is told how many bytes have been read of `sizeBytes`. */
  open(onRead?: (bytes: number) => void): ReadableStream<Uint8Array>;
}

export interface SourceFile {
  /** Within the bundle, with slashes. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Another one where the file was written or replaced. */
  readonly stamp: string;
}

/** Years before 1980 do not exist in a zip. */
const noTime = new Date(1980, 0, 1);

const contentTypes: Readonly<Record<string, string>> = {
  ".zip": "application/zip",
  ".wgsl": "text/wgsl",
  ".onnx": "application/octet-stream",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".ts": "text/typescript",
};

/** What such a file is cannot be told from its text: it goes in a zip, under a name that says it. */
const zippedNames: Readonly<Record<string, string>> = { ".tsx": "handler.tsx", ".jsx": "handler.tsx" };

/** In `node_modules`: for editors and debuggers, and often half of the files. */
const unusedEndings = [".d.ts", ".d.mts", ".d.cts", ".map"];

/** @throws DawnletError NOT_FOUND, INVALID_BUNDLE for what cannot be deployed. */
export async function openBundleSource(path: string): Promise<BundleSource> {
  const status = await stat(path).catch((cause: unknown) => {
    throw new DawnletError("NOT_FOUND", `Cannot deploy '${path}': there is no such file or folder`, {
      cause,
    });
  });
  return status.isDirectory() ? folderSource(path) : fileSource(path, status);
}

/** What of a file or folder is deployed, as it is now. */
export async function bundleFiles(path: string): Promise<readonly SourceFile[]> {
  const status = await stat(path);
  return status.isDirectory() ? listFiles(path, "") : [sourceFile(basename(path), path, status)];
}

function sourceFile(name: string, path: string, { size, ino, mtimeMs, ctimeMs }: Stats): SourceFile {
  return { name, path, sizeBytes: size, stamp: `${ino} ${size} ${mtimeMs} ${ctimeMs}` };
}

function fileSource(path: string, status: Stats): BundleSource {
  const sizeBytes = status.size;
  const extension = /\.[^.]*$/.exec(basename(path))?.[0].toLowerCase() ?? "";
  const defaultName = functionName(basename(path).slice(0, -extension.length));
  const zippedName = zippedNames[extension];
  if (zippedName !== undefined) return zipSource(defaultName, [sourceFile(zippedName, path, status)]);
  const contentType = contentTypes[extension];
  if (contentType === undefined)
    throw new DawnletError(
      "INVALID_BUNDLE",
      `Cannot deploy '${path}': expected a folder, a .zip, an .onnx or a .wgsl file, or a handler (.ts, .tsx, .js, .mjs)`,
    );
  return {
    defaultName,
    sizeBytes,
    contentType,
    open(onRead = () => {}) {
      const counter = new ReadCounter(onRead);
      return streamOf(counter.read(path));
    },
  };
}

async function folderSource(path: string): Promise<BundleSource> {
  const files = await listFiles(path, "");
  if (files.length === 0)
    throw new DawnletError("INVALID_BUNDLE", `Cannot deploy '${path}': the folder has no files`);
  checkFileCount(path, files);
  return zipSource(functionName(basename(resolve(path))), files);
}

function checkFileCount(path: string, files: readonly SourceFile[]): void {
  const { entries } = defaultBundleLimits.zip;
  if (files.length <= entries) return;
  const inPackages = files.filter(({ name }) => name.includes("node_modules/")).length;
  const advice =
    inPackages > 0
      ? `; ${inPackages} of them are in node_modules: leave out the packages that the handler does not import, or bundle it into one file`
      : "";
  throw new DawnletError(
    "PAYLOAD_TOO_LARGE",
    `Cannot deploy '${path}': the folder has ${files.length} files and a zip may have ${entries}${advice}`,
  );
}

function zipSource(defaultName: string, files: readonly SourceFile[]): BundleSource {
  return {
    defaultName,
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    contentType: "application/zip",
    open(onRead = () => {}) {
      const counter = new ReadCounter(onRead);
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      // A sink of its own: the writer stays here, to end the stream with what went wrong with a file.
      const sink = new WritableStream<Uint8Array>({
        write: (piece) => writer.write(piece),
        close: () => writer.close(),
      });
      const options = { level: 0, extendedTimestamp: false, lastModDate: noTime } as const;
      writeEntries(new ZipWriter(sink, options), files, counter).catch((error: unknown) =>
        // Nothing to tell where the reader has gone.
        writer.abort(error).catch(() => {}),
      );
      return readable;
    },
  };
}

async function writeEntries(
  zip: ZipWriter<unknown>,
  files: readonly SourceFile[],
  counter: ReadCounter,
): Promise<void> {
  for (const { name, path } of files) await zip.add(name, streamOf(counter.read(path)));
  await zip.close();
}

/** Sorted. Hidden files stay at home, and what is of no use in packages. */
async function listFiles(folder: string, prefix: string): Promise<SourceFile[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: SourceFile[] = [];
  for (const { name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name.startsWith(".")) continue;
    const isPackages = `/${prefix}`.includes("/node_modules/");
    if (isPackages && unusedEndings.some((ending) => name.endsWith(ending))) continue;
    const path = join(folder, name);
    // Follows links to files: what counts is what they hold.
    const status = await stat(path);
    if (status.isFile()) files.push(sourceFile(prefix + name, path, status));
    else if (status.isDirectory()) files.push(...(await listFiles(path, `${prefix}${name}/`)));
  }
  return files;
}

/** Reads no further than somebody takes. */
function streamOf(
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      await pieces.return();
    },
  });
}

class ReadCounter {
  readonly #onRead: (bytes: number) => void;
  #bytes = 0;

  constructor(onRead: (bytes: number) => void) {
    this.#onRead = onRead;
  }

  async *read(path: string): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 18 })) {
      const bytes: Uint8Array<ArrayBuffer> = piece;
      this.#bytes += bytes.byteLength;
      this.#onRead(this.#bytes);
      yield bytes;
    }
  }
}

/** `My Model (1)` becomes `My-Model-1`; empty where nothing is left. */
function functionName(text: string): string {
  return text
    .normalize("NFKD")
    .replaceAll(/[^a-zA-Z0-9_.]+/g, "-")
    .replaceAll(/^[-.]+|[-.]+$/g, "")
    .slice(0, 128);
}
