import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../../gateway/store/blobs.ts";
import { diskFiles, type Files } from "../../../gateway/store/files.ts";
import { openStore, type Store } from "../../../gateway/store/store.ts";
import { FaultyFiles, Killed } from "./faulty-files.ts";
import { endedPid, temporaryFolder } from "./folders.ts";
import { ForgetfulFiles, systemError } from "./forgetful-files.ts";

/** What the store should hold. Blobs that were deleted may come back after a crash; those that were put may not vanish. */
interface Model {
  readonly blobs: Set<number>;
  readonly functions: Map<string, { current: number | undefined; versions: Map<number, number> }>;
}

type Operation =
  | { readonly type: "put" | "putStream" | "delete"; readonly blob: number }
  | { readonly type: "collect"; readonly keep: readonly number[] }
  | { readonly type: "version"; readonly name: string; readonly version: number; readonly value: number }
  | { readonly type: "current"; readonly name: string; readonly version: number }
  | { readonly type: "removeVersion"; readonly name: string; readonly version: number }
  | { readonly type: "remove"; readonly name: string };

const blob = fc.integer({ min: 0, max: 4 });
const name = fc.constantFrom("a", "b");
const version = fc.integer({ min: 1, max: 3 });
const value = fc.integer();
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ type: fc.constantFrom("put", "putStream", "delete"), blob }),
  fc.record({ type: fc.constant("collect"), keep: fc.array(blob) }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant("version"), name, version, value }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("current"), name, version }) },
  fc.record({ type: fc.constant("removeVersion"), name, version }),
  fc.record({ type: fc.constant("remove"), name }),
);

const pid = endedPid();

function bytesOf(blob: number): Uint8Array {
  return new Uint8Array(100 + blob * 1000).fill(blob);
}

async function* streamOf(blob: number): AsyncGenerator<Uint8Array> {
  const bytes = bytesOf(blob);
  for (let offset = 0; offset < bytes.byteLength; offset += 512) yield bytes.subarray(offset, offset + 512);
}

async function apply(store: Store, operation: Operation): Promise<void> {
  switch (operation.type) {
    case "put":
      return void (await store.blobs.put(bytesOf(operation.blob)));
    case "putStream":
      return void (await store.blobs.putStream(streamOf(operation.blob), { limitBytes: 10_000 }));
    case "delete":
      return store.blobs.delete(digestOf(bytesOf(operation.blob)));
    case "collect":
      return void (await store.collect(new Set(operation.keep.map((kept) => digestOf(bytesOf(kept))))));
    case "version":
      return store.functions.writeVersion(operation.name, operation.version, { value: operation.value });
    case "current":
      return store.functions.setCurrent(operation.name, operation.version);
    case "removeVersion":
      return store.functions.removeVersion(operation.name, operation.version);
    case "remove":
      return store.functions.remove(operation.name);
    default:
      return operation satisfies never;
  }
}

function applyToModel(model: Model, operation: Operation): Model {
  const blobs = new Set(model.blobs);
  const functions = structuredClone(model.functions);
  const functionOf = (name: string) => {
    const found = functions.get(name) ?? { current: undefined, versions: new Map<number, number>() };
    functions.set(name, found);
    return found;
  };
  switch (operation.type) {
    case "put":
    case "putStream":
      blobs.add(operation.blob);
      break;
    case "delete":
      blobs.delete(operation.blob);
      break;
    case "collect":
      for (const kept of blobs) if (!operation.keep.includes(kept)) blobs.delete(kept);
      break;
    case "version":
      functionOf(operation.name).versions.set(operation.version, operation.value);
      break;
    case "current":
      functionOf(operation.name).current = operation.version;
      break;
    case "removeVersion":
      functionOf(operation.name).versions.delete(operation.version);
      break;
    case "remove":
      functions.delete(operation.name);
      break;
    default:
      operation satisfies never;
  }
  return { blobs, functions };
}

/** The functions as a reader of the store sees them. */
function visible(model: Model): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const name of ["a", "b"]) {
    const found = model.functions.get(name);
    if (found === undefined || found.versions.size === 0) continue;
    const versions = [...found.versions].sort(([a], [b]) => a - b);
    result[name] = {
      current: found.current !== undefined && found.versions.has(found.current) ? found.current : undefined,
      versions: versions.map(([version, value]) => ({ version, record: { value } })),
    };
  }
  return result;
}

async function readFunctions(store: Store): Promise<Record<string, unknown>> {
  const result: Record<string, unknown> = {};
  for (const name of await store.functions.names()) {
    const found = await store.functions.read(name, (record) => record);
    if (found !== undefined) result[name] = { current: found.current, versions: found.versions };
  }
  return result;
}

/** Before or after the operation that was interrupted, whole; and what had ended is there. */
async function checkStore(store: Store, files: Files, before: Model, after: Model): Promise<void> {
  expect([visible(before), visible(after)]).toContainEqual(await readFunctions(store));
  expect(store.damage).toEqual([]);
  const required = [...before.blobs].filter((blob) => after.blobs.has(blob));
  for (const blob of required) {
    expect(await store.blobs.read(digestOf(bytesOf(blob)))).toEqual(bytesOf(blob));
  }
  // Whatever else is there is whole.
  for (const digest of await store.blobs.list()) await store.blobs.read(digest);
  // The records of a removed function may wait there to be swept; nothing that was being written may.
  const temporary = await files.list(`${store.folder}/tmp`);
  expect(temporary.filter(({ isFolder }) => !isFolder)).toEqual([]);
}

const emptyModel: Model = { blobs: new Set(), functions: new Map() };

/** Runs operations, kills the store in the midst of one of them, opens it again, and goes on. */
async function runWithCrashes(
  files: Files,
  folder: string,
  lives: ReadonlyArray<readonly [operations: readonly Operation[], steps: number]>,
  afterCrash: () => void,
): Promise<void> {
  let model = emptyModel;
  for (const [operations, steps] of lives) {
    const faulty = new FaultyFiles(files);
    const store = await openStore(folder, { pid, files: faulty });
    faulty.arm({ type: "killed" }, steps);
    let after = model;
    try {
      for (const operation of operations) {
        after = applyToModel(model, operation);
        await apply(store, operation);
        model = after;
      }
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    await store[Symbol.asyncDispose]().catch(() => undefined);
    afterCrash();
    const reopened = await openStore(folder, { pid, files });
    await checkStore(reopened, files, model, after);
    model = await asModel(reopened);
    await reopened[Symbol.asyncDispose]();
  }
}

/** What was found after a crash is where the next life begins. */
async function asModel(store: Store): Promise<Model> {
  const found = await readFunctions(store);
  const blobs = new Set<number>();
  for (const blob of [0, 1, 2, 3, 4]) if (await store.blobs.has(digestOf(bytesOf(blob)))) blobs.add(blob);
  const functions: Model["functions"] = new Map();
  for (const name of ["a", "b"]) {
    const kept = found[name] === undefined ? undefined : await store.functions.read(name, parseValue);
    const versions = new Map((kept?.versions ?? []).map(({ version, record }) => [version, record]));
    // `current` may name a version that is missing; a reader cannot tell that from none.
    const stated = await store.records.read(["functions", name, "current"], parseVersion);
    if (versions.size > 0 || stated !== undefined) functions.set(name, { current: stated, versions });
  }
  return { blobs, functions };
}

function parseValue(record: unknown): number {
  if (typeof record === "object" && record !== null && "value" in record) return Number(record.value);
  throw new TypeError("no value");
}

function parseVersion(record: unknown): number {
  if (typeof record === "object" && record !== null && "version" in record) return Number(record.version);
  throw new TypeError("no version");
}

const lives = fc.array(
  fc.tuple(fc.array(operation, { minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: 60 })),
  {
    minLength: 1,
    maxLength: 4,
  },
);

describe("a store that is interrupted", () => {
  it("holds the old or the new state, whole, after the process was killed", async () => {
    const run = async (allLives: Parameters<typeof runWithCrashes>[2]) =>
      runWithCrashes(new ForgetfulFiles(), "/data", allLives, () => undefined);
    await fc.assert(fc.asyncProperty(lives, run), { numRuns: 200 });
  });

  it("holds the old or the new state, whole, after the machine lost its power", async () => {
    const run = async (allLives: Parameters<typeof runWithCrashes>[2], coins: readonly boolean[]) => {
      const files = new ForgetfulFiles();
      let next = 0;
      const survives = () => coins[next++ % coins.length]!;
      await runWithCrashes(files, "/data", allLives, () => files.losePower(survives));
    };
    const coins = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
    await fc.assert(fc.asyncProperty(lives, coins, run), { numRuns: 250 });
  });

  it("holds the old or the new state on a disk", async () => {
    const run = async (allLives: Parameters<typeof runWithCrashes>[2]) => {
      await using folder = await temporaryFolder();
      await runWithCrashes(diskFiles, folder.path, allLives, () => undefined);
    };
    await fc.assert(fc.asyncProperty(lives, run), { numRuns: 10 });
  });

  it("stays usable after a full disk: the operation fails by name and nothing half-done stays", async () => {
    const run = async (operations: readonly Operation[], steps: number) => {
      const files = new ForgetfulFiles();
      const faulty = new FaultyFiles(files);
      await using store = await openStore("/data", { pid, files: faulty });
      faulty.arm({ type: "once", error: systemError("ENOSPC") }, steps);
      let model = emptyModel;
      for (const operation of operations) {
        const after = applyToModel(model, operation);
        try {
          await apply(store, operation);
          model = after;
        } catch (error) {
          expect(error).toMatchObject({
            code: "UNAVAILABLE",
            message: expect.stringContaining("disk is full"),
          });
          expect(error).toMatchObject({ message: expect.stringContaining("'/data") });
          await checkStore(store, files, model, after);
          model = await asModel(store);
        }
      }
      faulty.disarm();
      await checkStore(store, files, model, model);
    };
    const operations = fc.array(operation, { minLength: 1, maxLength: 8 });
    await fc.assert(fc.asyncProperty(operations, fc.integer({ min: 0, max: 60 }), run), { numRuns: 200 });
  });
});
