/** A process with one ONNX Runtime session, from its start until it is gone. It is asked for one run at a time. */
import type { ModelSource } from "../compiler/protocol.ts";
import type { ChildProcess, Platform } from "../platform/platform.ts";
import { RpcClient } from "../port/rpc-client.ts";
import { SessionClient } from "../session/protocol.ts";

export interface SessionProcessOptions {
  readonly platform: Platform;
  readonly onLine: (line: string) => void;
  readonly threads: number;
}

const name = "the session process";

export class SessionProcess {
  readonly client: SessionClient;
  /** It answers no more; it may not be gone yet. Never rejects. */
  readonly closed: Promise<void>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.client = new SessionClient(new RpcClient(child.port, { peer: name, closedCode: "UNAVAILABLE" }));
    this.closed = child.port.closed;
    void this.closed.then(() => this.end());
  }

  /** Ends it at once: it has nothing to put in order, and may be in a run that never ends. @returns when it is gone. */
  async end(): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }
}

/**
 * @throws DawnletError as the signal says; what `find` and the process throw; its process is gone then, or was killed before it
 * could connect.
 */
export async function startSession(
  { platform, onLine, threads }: SessionProcessOptions,
  find: () => Promise<ModelSource>,
  signal: AbortSignal,
): Promise<SessionProcess> {
  const source = await find();
  const entry = new URL("../session/main.ts", import.meta.url);
  const child = await platform.spawnProcess(entry, { name, environment: {}, onLine, signal });
  const process = new SessionProcess(child);
  try {
    await process.client.open({ ...source, threads }, signal);
    return process;
  } catch (error) {
    await process.end();
    throw error;
  }
}
