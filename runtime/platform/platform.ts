/**
 * Platform: what Dawnlet needs of the program that it runs in, as one interface. node.ts, deno.ts and
 * browser.ts implement it; package.json chooses one as `#platform`. Only composition roots (one per kind of
 * process) import `#platform`; everything else is handed what it needs.
 *
 * What a platform cannot do throws DawnletError UNSUPPORTED.
 */
import type { BlobStatus } from "../device/blob-seal.ts";
import type { Port } from "../port/port.ts";

export interface Platform {
  readonly runtime: "node" | "deno" | "browser";
  /** `linux`, `darwin`, `win32`, … and `x64`, `arm64`, …; empty in a browser. */
  readonly system: { readonly name: string; readonly architecture: string };
  /** Of this process; 0 in a browser. */
  readonly pid: number;

  /** Opens an implementation of WebGPU and puts the constants that it brings into the global scope. */
  openGpu(options?: GpuOptions): Promise<OpenGpu>;

  /** GPUs with memory of their own, as far as the system's drivers tell. */
  gpuMemories(): Promise<readonly GpuMemory[]>;

  /** What takes away what the runtime leaves to a sealed process, where it leaves something. */
  readonly sealModule?: URL;
  /**
   * Starts a process of the same runtime on a `.ts` entry file and connects to it.
   * @throws DawnletError UNAVAILABLE where it ends, or does not call `connectParent` in time.
   */
  spawnProcess(entry: URL, options?: ProcessOptions): Promise<ChildProcess>;
  /** Starts a worker thread (a Web Worker in a browser) on a `.ts` entry file. */
  spawnWorker(entry: URL, options?: WorkerOptions): ChildWorker;
  /**
   * In a child of one of the two above: the Port to who started it. To be called once, early.
   * A process whose parent is gone ends, at the latest `orphanGraceMs` after its Port has closed.
   * @param mayBlock its main thread may be kept busy without end, and hear nothing: a second thread sees the parent's end.
   *   Not for sealed processes, which start no threads.
   */
  connectParent(options?: { readonly mayBlock?: boolean }): Promise<Port>;
  /** In a worker, in place of `connectParent`: the MessagePort itself, for Comlink. */
  parentMessagePort(): Promise<MessagePort>;

  /**
   * Fills `target` with a file's bytes from `offset` on (in a browser: what a URL answers). Made for weights:
   * reads go straight into `target`, which may be a mapped GPUBuffer, and the file stays open for a while.
   * @param check called each time the file was opened, before anything is read of it; its error is the read's. A
   *   browser opens nothing, and calls it never.
   * @throws DawnletError NOT_FOUND; CORRUPT_DATA where the file is shorter than asked or the disk cannot read it;
   *   UNAVAILABLE where the system refuses.
   */
  readBlob(path: string, offset: number, target: Uint8Array, check?: BlobCheck): Promise<void>;

  /**
   * Serves HTTP. `request.signal` is aborted when the client goes away before it has its answer. (Deno may
   * abort it after the answer too.)
   * @throws DawnletError UNAVAILABLE where the port is taken or may not be used.
   */
  serveHttp(fetch: FetchHandler, options: HttpOptions): Promise<HttpServer>;

  /** Asks servers over HTTP and HTTPS, with a say in which addresses are connected to. Close it. */
  openHttpClient(options: HttpClientOptions): Promise<HttpClient>;

  /** @returns undefined where the process is gone, or the system does not say. */
  processUsage(pid: number): Promise<ProcessUsage | undefined>;

  /**
   * For a thread that waits for a GPU and does nothing else: calling the result pauses the event loop in each turn, as
   * long as `isWaiting`. Does nothing where waiting costs nothing.
   */
  pace(pace: Pace, isWaiting: () => boolean): () => void;

  readonly files: Files;
  environment(name: string): string | undefined;
  /** Ends this process, or this worker. */
  exit(code: number): never;
  /** Calls back with what was thrown, or rejected, and nobody has caught. It ends this process no more. */
  onUncaught(listener: (error: unknown) => void): void;
  /** Calls back when the system or the user asks this process to end (SIGINT, SIGTERM; leaving the page). */
  onTerminate(listener: () => void): void;
}

export const orphanGraceMs = 2000;

export type BlobCheck = (file: BlobFile) => Promise<void>;

/** A file that `readBlob` has opened. */
export interface BlobFile {
  status(): Promise<BlobStatus>;
  /** SHA-256 of all of it, in lower-case hex. */
  digest(): Promise<string>;
  /** Makes it read-only and sets the time of its last change. Does nothing where the system refuses. */
  setModified(timeMs: number): Promise<void>;
}

/** How a thread waits for a GPU. */
export interface Pace {
  /** From each call of what `pace` gave: without pauses, for what is done in an instant. */
  readonly graceMs: number;
  /** After that, in each turn of the event loop. */
  readonly pauseMs: number;
}

export interface GpuOptions {
  /**
   * `dawn` is the npm package `webgpu`, `native` what the runtime itself has (Deno: wgpu; a browser: its own).
   * Left out: `dawn` in Node and Deno, `native` in a browser.
   */
  readonly implementation?: "dawn" | "native" | undefined;
  /** Dawn's backend that accepts everything and computes nothing. */
  readonly backend?: "null" | undefined;
  /** Part of the name of the adapter to use, where Dawn finds several. */
  readonly adapter?: string | undefined;
  /** Toggles of Dawn, such as `allow_unsafe_apis`. */
  readonly dawnFeatures?:
    | { readonly enable?: readonly string[]; readonly disable?: readonly string[] }
    | undefined;
}

export interface GpuMemory {
  readonly vendor: "nvidia" | "amd";
  /** As the driver writes it; empty where it does not. */
  readonly name: string;
  readonly sizeBytes: number;
}

export interface OpenGpu {
  readonly gpu: GPU;
  readonly implementation: "dawn" | "wgpu" | "browser";
  /** Lets go of the implementation. Destroy its devices first. */
  close(): void;
}

export interface ProcessOptions {
  /** For people: "device process". Appears in errors. */
  readonly name?: string | undefined;
  readonly args?: readonly string[] | undefined;
  /**
   * The child's environment, beside what no program works without (PATH, HOME, folders for temporary and
   * cached files, the locale). Nothing else of this process's environment reaches it.
   */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Options of the runtime itself, such as `--max-old-space-size=…`; before the entry file. */
  readonly runtimeArgs?: readonly string[] | undefined;
  /**
   * For code of strangers: the process may read these and its entry's own modules, and do nothing else with the world.
   * It cannot write, start processes or threads, signal others, open sockets or load addons, and its environment
   * holds only `environment`. Without `onLine` what it prints is lost. It may use memory and time: who starts it
   * watches that.
   */
  readonly sealed?: Sealing | undefined;
  /** Most bytes of its JavaScript heap. What goes over it ends. */
  readonly heapBytes?: number | undefined;
  /** Most bytes of a message that is taken from it; what sends a larger one is cut off. Left out: a gibibyte. */
  readonly maxMessageBytes?: number | undefined;
  /**
   * For processes that hold hundreds of megabytes: asks the C library for huge pages where the system offers them
   * (Linux with glibc). Faulting memory in 4 KiB at a time costs more than copying a model into it.
   */
  readonly hugePages?: boolean | undefined;
  /** Gets what the child prints, line by line. Left out: it goes where this process prints, unless it is sealed. */
  readonly onLine?: ((line: string, stream: "stdout" | "stderr") => void) | undefined;
  /** How long the child may take to connect. */
  readonly connectTimeoutMs?: number | undefined;
  /** Aborting before the child has connected kills it. */
  readonly signal?: AbortSignal | undefined;
}

export interface Sealing {
  /** Absolute paths of files, and of folders with all that is in them. */
  readonly readable: readonly string[];
  /**
   * In place of the entry: one module of JavaScript that has all it needs, and imports `Platform.sealModule` first. The
   * process may then not read Dawnlet's own modules either.
   */
  readonly script?: string | undefined;
}

export interface ExitStatus {
  /** Null where a signal ended the process. */
  readonly code: number | null;
  readonly signal: string | null;
}

export interface ChildProcess {
  readonly port: Port;
  readonly pid: number;
  /** Settles when the process is gone. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** Ends the process at once, also one that hangs in a driver. */
  kill(): void;
  /** Closes the Port, which asks the process to end, and kills it where it has not done so in time. */
  stop(graceMs?: number): Promise<ExitStatus>;
}

export interface WorkerOptions {
  readonly name?: string | undefined;
  /** Gets what ended the worker, where it was an error that it did not catch. */
  readonly onError?: ((error: Error) => void) | undefined;
}

export interface ChildWorker {
  /** For messages and calls of our own. Takes `messagePort` over. */
  readonly port: Port;
  /** For Comlink, in place of `port`. Gets a `close` event when the worker has ended. */
  readonly messagePort: MessagePort;
  terminate(): Promise<void>;
}

export type FetchHandler = (request: Request) => Response | Promise<Response>;

export interface HttpOptions {
  readonly hostname: string;
  /** 0 for any that is free. */
  readonly port: number;
}

export interface HttpServer {
  readonly port: number;
  /** Takes no new requests, lets running ones finish, and cuts those that take longer than `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** A part of `Request`, so that one is such. A fragment of the URL is ignored. */
export type HttpClientRequest = Pick<Request, "url" | "method" | "headers" | "body" | "signal">;

export interface HttpClientOptions {
  /**
   * Called with each address that a name stands for, or that a URL names itself, before anything connects to one of
   * them. Its error is the request's. Connections that are kept for a next request were checked when they were made.
   */
  checkAddress(address: string, url: URL): void;
  /** From a request to the connection that carries it: name, TCP and TLS. */
  readonly connectTimeoutMs: number;
  /** Certificates (PEM) that are trusted beside those that the runtime trusts. */
  readonly certificates?: readonly string[] | undefined;
}

export interface HttpClient {
  /**
   * Resolves with the head of the answer; both bodies stream. What concerns the connection alone (RFC 9110, 7.6.1) is
   * left out of the headers both ways, `host` is the URL's, and a `content-length` is held to. Redirects are not
   * followed, no cookies are kept, no proxy is asked, and `content-encoding` is left as it is.
   * @throws DawnletError what `checkAddress` threw; UNAVAILABLE where the server cannot be reached or speaks no HTTP;
   *   DEADLINE_EXCEEDED where connecting takes too long; INVALID_ARGUMENT for a header or a body that cannot be sent;
   *   where the signal aborts, its reason if it is a DawnletError, else CANCELLED. The body ends with the same errors.
   */
  fetch(request: HttpClientRequest): Promise<Response>;
  /** Ends all that runs with UNAVAILABLE, and every connection. */
  close(): void;
}

export interface ProcessUsage {
  /** Time that all its threads spent on processors since it started, ended threads included; in steps of 10 ms. */
  readonly cpuMs: number;
  /** All pages that it has in memory (RSS), those shared with other processes too. */
  readonly residentBytes: number;
  /** Of these what is no file's, such as programs and libraries; all, where the system does not tell them apart. */
  readonly ownBytes: number;
}

/** The few things done with files outside the gateway: caches and installed drivers. */
export interface Files {
  /** @returns undefined where there is no such file. */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Makes missing folders; readers see the old bytes or the new ones, never a part. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** @returns undefined where there is nothing of that name. */
  stat(path: string): Promise<FileStatus | undefined>;
  /** Names in a folder, sorted; none where it does not exist. */
  list(folder: string): Promise<readonly string[]>;
  /** Moves a folder to a name that is free. @returns false where the name is taken. */
  moveFolder(from: string, to: string): Promise<boolean>;
  remove(path: string): Promise<void>;
  /** Where this user's programs keep what they can make again. */
  cacheFolder(): string;
  /** Changes when the machine starts anew. */
  bootId(): Promise<string>;
  /** Folder of an npm package that Dawnlet depends on; undefined where it is not installed. */
  packageFolder(name: string): string | undefined;
}

export interface FileStatus {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}
