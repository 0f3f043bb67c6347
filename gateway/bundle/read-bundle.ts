/**
 * From a stored upload to the files of a function. WGSL bundles and handlers are small and stay in memory; models
 * may have gigabytes, with weights in files beside them, and are unpacked to a work folder.
 * Which kind it is comes first from function.json, then from the files that are there. What the files
 * say is checked by the manifest and the model codec.
 */
import { join } from "node:path";
import { DawnletError } from "../../kernels/errors.ts";
import { manifestFileName } from "../../kernels/manifest/manifest.ts";
import type { FunctionKind } from "../functions/functions.ts";
import { describeFailures } from "../store/failures.ts";
import { diskFiles } from "../store/files.ts";
import type { Store, WorkFolder } from "../store/store.ts";
import { detectBundle } from "./detect.ts";
import { bareHandlerName, handlerEntries } from "./handler-entry.ts";
import { openZip, type ZipArchive, type ZipEntry, type ZipLimits } from "./zip.ts";
import { showPath } from "./zip-paths.ts";

export interface BundleLimits {
  /** Most bytes of an upload as it arrives. */
  readonly uploadBytes: number;
  /** Most bytes of the files of a WGSL bundle or a handler together; they are held in memory. */
  readonly memoryBytes: number;
  readonly zip: ZipLimits;
}

export const defaultBundleLimits: BundleLimits = {
  uploadBytes: 4 * 1024 ** 3,
  memoryBytes: 64 * 1024 ** 2,
  zip: { entries: 1000, entryBytes: 4 * 1024 ** 3, totalBytes: 8 * 1024 ** 3, ratio: 200 },
};

export type Bundle = WgslBundle | OnnxBundle | HandlerBundle;

export interface WgslBundle extends AsyncDisposable {
  readonly type: "wgsl";
  /** By path. Without a `function.json` in it, it is one bare shader, called `main.wgsl` if it came alone. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export interface HandlerBundle extends AsyncDisposable {
  readonly type: "handler";
  /** By path. A handler that came alone is called `handler.ts`. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** `function.json` as JSON, where there is one. */
  readonly manifest?: unknown;
}

/** Disposing it removes what was unpacked. */
export interface OnnxBundle extends AsyncDisposable {
  readonly type: "onnx";
  readonly modelPath: string;
  /** Paths on disk of the files beside the model, by their path relative to it: what `external_data` names. */
  readonly externalFiles: ReadonlyMap<string, string>;
  /** `function.json` as JSON, where there is one. */
  readonly manifest?: unknown;
}

/**
 * Reads an upload that lies at `path`.
 * @throws DawnletError INVALID_BUNDLE, PAYLOAD_TOO_LARGE, UNAVAILABLE where the disk refuses.
 */
export async function readBundle(path: string, store: Store, limits: BundleLimits): Promise<Bundle> {
  const type = await detectBundle(path);
  switch (type) {
    case "onnx":
      return { type, modelPath: path, externalFiles: new Map(), [Symbol.asyncDispose]: nothingToDispose };
    case "wgsl": {
      const files = new Map([["main.wgsl", await readText(path, limits)]]);
      return { type, files, [Symbol.asyncDispose]: nothingToDispose };
    }
    case "handler": {
      const files = new Map([[bareHandlerName, await readText(path, limits)]]);
      return { type, files, [Symbol.asyncDispose]: nothingToDispose };
    }
    case "zip": {
      await using archive = await openZip(path, limits.zip);
      return await readArchive(archive, store, limits);
    }
    default:
      return type satisfies never;
  }
}

async function readText(path: string, limits: BundleLimits): Promise<Uint8Array> {
  const file = await diskFiles.open(path);
  if (file === undefined) throw new DawnletError("NOT_FOUND", "Cannot read the upload: it is not stored");
  try {
    checkMemory(file.sizeBytes, limits);
    const bytes = new Uint8Array(file.sizeBytes);
    await file.read(0, bytes);
    return bytes;
  } finally {
    await file.close();
  }
}

async function readArchive(archive: ZipArchive, store: Store, limits: BundleLimits): Promise<Bundle> {
  const manifestEntry = archive.entries.find(({ path }) => path === manifestFileName);
  const manifest = manifestEntry === undefined ? undefined : await readJson(archive, manifestEntry, limits);
  const kind = kindOf(manifest) ?? kindByFiles(archive.entries);
  switch (kind) {
    case "wgsl": {
      const files = await readFiles(archive, limits);
      return { type: "wgsl", files, [Symbol.asyncDispose]: nothingToDispose };
    }
    case "handler": {
      const files = await readFiles(archive, limits);
      return {
        type: "handler",
        files,
        ...(manifest === undefined ? {} : { manifest }),
        [Symbol.asyncDispose]: nothingToDispose,
      };
    }
    case "onnx": {
      const model = findModel(archive.entries, manifest);
      return {
        ...(await unpackModel(archive, model, store)),
        ...(manifest === undefined ? {} : { manifest }),
      };
    }
    default:
      return kind satisfies never;
  }
}

async function readJson(archive: ZipArchive, entry: ZipEntry, limits: BundleLimits): Promise<unknown> {
  checkMemory(entry.sizeBytes, limits);
  const bytes = await archive.read(entry);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(`its ${manifestFileName} is no JSON: ${reason}`);
  }
}

/** Undefined where there is no manifest. */
function kindOf(manifest: unknown): FunctionKind | undefined {
  if (manifest === undefined) return undefined;
  const kind =
    typeof manifest === "object" && manifest !== null && "kind" in manifest ? manifest.kind : undefined;
  if (kind === "wgsl" || kind === "onnx" || kind === "handler") return kind;
  const found = kind === undefined ? "missing" : JSON.stringify(kind)?.slice(0, 100);
  throw invalid(`"kind" in its ${manifestFileName} is ${found}: expected "wgsl", "onnx" or "handler"`);
}

function kindByFiles(entries: readonly ZipEntry[]): FunctionKind {
  const handlers = handlerEntries(entries.map(({ path }) => path));
  if (handlers.length === 1) return "handler";
  if (handlers.length > 1)
    throw invalid(`it has ${handlers.join(" and ")} and no ${manifestFileName} that names one as "entry"`);
  const models = withEnding(entries, ".onnx");
  if (models.length > 0) return "onnx";
  const shaders = withEnding(entries, ".wgsl");
  if (shaders.length === 1) return "wgsl";
  if (shaders.length > 1)
    throw invalid(`it has ${shaders.length} shaders and no ${manifestFileName} to say what they do`);
  const found = entries.slice(0, 5).map(({ path }) => showPath(path));
  const list = found.length === 0 ? "nothing" : found.join(", ") + (entries.length > 5 ? ", …" : "");
  throw invalid(
    `it has neither a ${manifestFileName} nor a handler.ts nor a .onnx nor a .wgsl file; it holds ${list}`,
  );
}

function findModel(entries: readonly ZipEntry[], manifest: unknown): ZipEntry {
  const stated =
    typeof manifest === "object" && manifest !== null && "model" in manifest ? manifest.model : undefined;
  if (stated !== undefined) {
    const entry = entries.find(({ path }) => path === stated);
    if (entry === undefined)
      throw invalid(`its ${manifestFileName} names the model ${JSON.stringify(stated)}, which is not in it`);
    return entry;
  }
  const models = withEnding(entries, ".onnx");
  const [model] = models;
  if (model === undefined) throw invalid("it has no .onnx file");
  if (models.length > 1) {
    const names = models.slice(0, 5).map(({ path }) => showPath(path));
    throw invalid(
      `it has ${models.length} models (${names.join(", ")}): name one as "model" in ${manifestFileName}`,
    );
  }
  return model;
}

async function readFiles(
  archive: ZipArchive,
  limits: BundleLimits,
): Promise<ReadonlyMap<string, Uint8Array>> {
  // `read` holds an entry to its stated size, so these bound the memory before any of it is taken.
  checkMemory(
    archive.entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    limits,
  );
  const files = new Map<string, Uint8Array>();
  for (const entry of archive.entries) files.set(entry.path, await archive.read(entry));
  return files;
}

/** Unpacks the model and what lies in its folder and below: nothing else can be named by it. */
async function unpackModel(archive: ZipArchive, model: ZipEntry, store: Store): Promise<OnnxBundle> {
  const prefix = model.path.slice(0, model.path.lastIndexOf("/") + 1);
  const work = await store.makeWorkFolder();
  try {
    const externalFiles = new Map<string, string>();
    for (const entry of archive.entries) {
      const isWanted = entry.path.startsWith(prefix) && entry.path !== manifestFileName;
      if (!isWanted) continue;
      const target = join(work.path, ...entry.path.split("/"));
      await extract(archive, entry, target, work);
      if (entry !== model) externalFiles.set(entry.path.slice(prefix.length), target);
    }
    const modelPath = join(work.path, ...model.path.split("/"));
    return {
      type: "onnx",
      modelPath,
      externalFiles,
      [Symbol.asyncDispose]: () => work[Symbol.asyncDispose](),
    };
  } catch (error) {
    await work[Symbol.asyncDispose]();
    throw error;
  }
}

function extract(archive: ZipArchive, entry: ZipEntry, target: string, work: WorkFolder): Promise<void> {
  return describeFailures("unpack the bundle", work.path, async () => {
    await diskFiles.makeFolder(join(target, ".."));
    const file = await diskFiles.create(target);
    try {
      await archive.inflate(entry, (piece) => file.write(piece));
    } finally {
      await file.close();
    }
  });
}

function withEnding(entries: readonly ZipEntry[], ending: string): readonly ZipEntry[] {
  return entries.filter(({ path }) => path.toLowerCase().endsWith(ending));
}

function checkMemory(sizeBytes: number, limits: BundleLimits): void {
  if (sizeBytes <= limits.memoryBytes) return;
  throw new DawnletError(
    "PAYLOAD_TOO_LARGE",
    `Cannot deploy the bundle as its files have ${sizeBytes} bytes: without a model at most ${limits.memoryBytes} are taken`,
  );
}

function invalid(reason: string): DawnletError {
  return new DawnletError("INVALID_BUNDLE", `Cannot deploy the bundle as ${reason}`);
}

async function nothingToDispose(): Promise<void> {}
