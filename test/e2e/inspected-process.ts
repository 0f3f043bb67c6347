/**
 * Another process of this runtime, asked by the inspector's protocol what its JavaScript still reaches. Without
 * collecting garbage first its memory says little: tens of megabytes come and go.
 */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** Options of Node and of Deno, before the entry file. */
export function inspectArgs(port: number): readonly string[] {
  return [`--inspect=127.0.0.1:${port}`];
}

/** One that nobody listens on now: Deno, told to be quiet, does not say which port it took. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
}

export class InspectedProcess implements Disposable {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as Reply;
      if (id !== undefined) this.#waiting.get(id)?.(result);
    });
  }

  /** @param port as the process was started with; it runs by now. */
  static async connect(port: number): Promise<InspectedProcess> {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`);
    const [target] = (await response.json()) as { readonly webSocketDebuggerUrl: string }[];
    const socket = new WebSocket(target!.webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error(`No inspector answers at port ${port}`)));
    });
    return new InspectedProcess(socket);
  }

  /** Collects garbage there. @returns bytes of the heap and of buffers outside it that are left. */
  async reachableBytes(): Promise<number> {
    // What finalizers free is free after a second one.
    for (let round = 0; round < 2; round++) await this.#ask("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize = 0 } = (await this.#ask("Runtime.getHeapUsage")) as HeapUsage;
    return usedSize + backingStorageSize;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #ask(method: string): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, (result) => {
        this.#waiting.delete(id);
        resolve(result);
      });
      this.#socket.send(JSON.stringify({ id, method }));
    });
  }
}

interface HeapUsage {
  readonly usedSize: number;
  readonly backingStorageSize?: number;
}
