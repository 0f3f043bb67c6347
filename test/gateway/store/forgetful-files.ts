/**
 * A file system in memory that loses power as POSIX allows it: what was not synchronised may be gone,
 * in any combination. Bytes of a file count once the file was synchronised, a name once its folder was.
 * A rename is one change of two folders. More pessimistic than file systems with a journal.
 */
import { basename, dirname } from "node:path";
import type { FileReader, Files, FileWriter } from "../../../gateway/store/files.ts";

type Node =
  | { readonly type: "file"; bytes: Uint8Array; durable: Uint8Array | undefined }
  | { readonly type: "folder"; names: Map<string, Node>; durable: Map<string, DurableName> };
type Folder = Extract<Node, { type: "folder" }>;

interface DurableName {
  readonly sequence: number;
  readonly node: Node | undefined;
}

interface Change {
  readonly sequence: number;
  readonly names: ReadonlyArray<{
    readonly folder: Folder;
    readonly name: string;
    readonly node: Node | undefined;
  }>;
}

export class ForgetfulFiles implements Files {
  readonly #root: Folder = newFolder();
  #changes: Change[] = [];
  #sequence = 0;

  /** Cuts the power. Each change that was not synchronised survives where `survives` says so. */
  losePower(survives: () => boolean): void {
    for (const change of this.#changes) if (survives()) settle(change);
    this.#changes = [];
    forget(this.#root, survives);
  }

  async create(path: string): Promise<FileWriter> {
    const folder = this.#folder(dirname(path));
    if (folder.names.has(basename(path))) throw systemError("EEXIST");
    const file: Node = { type: "file", bytes: new Uint8Array(), durable: undefined };
    this.#change({ folder, name: basename(path), node: file });
    return {
      async write(bytes) {
        const longer = new Uint8Array(file.bytes.byteLength + bytes.byteLength);
        longer.set(file.bytes);
        longer.set(bytes, file.bytes.byteLength);
        file.bytes = longer;
      },
      async seal() {},
      async sync() {
        file.durable = file.bytes;
      },
      async close() {},
    };
  }

  async open(path: string): Promise<FileReader | undefined> {
    const node = this.#find(path);
    if (node === undefined) return undefined;
    if (node.type === "folder") throw systemError("EISDIR");
    return {
      sizeBytes: node.bytes.byteLength,
      async read(offset, target) {
        const bytes = node.bytes.subarray(offset, offset + target.byteLength);
        target.set(bytes);
        return bytes.byteLength;
      },
      async close() {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    const node = this.#find(from);
    if (node === undefined) throw systemError("ENOENT");
    this.#change(
      { folder: this.#folder(dirname(from)), name: basename(from), node: undefined },
      { folder: this.#folder(dirname(to)), name: basename(to), node },
    );
  }

  async remove(path: string): Promise<void> {
    if (this.#find(path) === undefined) return;
    this.#change({ folder: this.#folder(dirname(path)), name: basename(path), node: undefined });
  }

  removeFolder(path: string): Promise<void> {
    return this.remove(path);
  }

  async makeFolder(path: string): Promise<void> {
    if (path === "/") return;
    await this.makeFolder(dirname(path));
    const found = this.#find(path);
    if (found?.type === "folder") return;
    if (found !== undefined) throw systemError("EEXIST");
    this.#change({ folder: this.#folder(dirname(path)), name: basename(path), node: newFolder() });
  }

  async syncFolder(path: string): Promise<void> {
    const folder = this.#folder(path);
    const isOf = (change: Change) => change.names.some((name) => name.folder === folder);
    for (const change of this.#changes.filter(isOf)) settle(change);
    this.#changes = this.#changes.filter((change) => !isOf(change));
  }

  async list(path: string) {
    const node = this.#find(path);
    if (node === undefined) return [];
    if (node.type === "file") throw systemError("ENOTDIR");
    const names = [...node.names].map(([name, child]) => ({ name, isFolder: child.type === "folder" }));
    return names.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async touch(): Promise<void> {}

  async modifiedAtMs(path: string): Promise<number | undefined> {
    return this.#find(path) === undefined ? undefined : 0;
  }

  #change(...names: Change["names"]): void {
    this.#sequence += 1;
    this.#changes.push({ sequence: this.#sequence, names });
    for (const { folder, name, node } of names) {
      if (node === undefined) folder.names.delete(name);
      else folder.names.set(name, node);
    }
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path.split("/").filter(Boolean)) {
      if (node?.type !== "folder") return undefined;
      node = node.names.get(name);
    }
    return node;
  }

  #folder(path: string): Folder {
    const node = this.#find(path);
    if (node === undefined) throw systemError("ENOENT");
    if (node.type === "file") throw systemError("ENOTDIR");
    return node;
  }
}

function newFolder(): Folder {
  return { type: "folder", names: new Map(), durable: new Map() };
}

function settle(change: Change): void {
  for (const { folder, name, node } of change.names) {
    const known = folder.durable.get(name);
    if (known !== undefined && known.sequence > change.sequence) continue;
    folder.durable.set(name, { sequence: change.sequence, node });
  }
}

/** Makes what is durable all that there is; bytes that were not synchronised survive in part. */
function forget(folder: Folder, survives: () => boolean): void {
  folder.names = new Map();
  for (const [name, { node }] of folder.durable) {
    if (node === undefined) continue;
    folder.names.set(name, node);
    if (node.type === "folder") forget(node, survives);
    else {
      node.bytes = node.durable ?? node.bytes.slice(0, survives() ? node.bytes.byteLength >> 1 : 0);
      node.durable = node.bytes;
    }
  }
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code });
}
