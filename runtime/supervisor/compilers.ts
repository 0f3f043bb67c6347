/**
 * The compiler processes as deploys use them: of each owner one piece of work at a time, the owners in turns. There are
 * two processes at most, and one where one owner deploys, so that a model which keeps one busy for its ten minutes keeps
 * no other owner waiting.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { ModelDescription, ModelSource } from "../compiler/protocol.ts";
import {
  type Compiled,
  type CompileOptions,
  type CompileRequest,
  CompilerProcess,
  type CompilerProcessOptions,
} from "./compiler-process.ts";
import { Turns } from "./turns.ts";

const maxProcesses = 2;

export class Compilers {
  readonly #processes: readonly CompilerProcess[];
  readonly #turns = new Turns(maxProcesses);
  #isStopped = false;

  constructor(options: CompilerProcessOptions) {
    this.#processes = Array.from({ length: maxProcesses }, () => new CompilerProcess(options));
  }

  /**
   * @param owner whose deploy it is.
   * @param limitMs from the begin of the work; waiting for others does not count.
   * @throws DawnletError INVALID_MODEL, UNSUPPORTED_MODEL, DEADLINE_EXCEEDED, UNAVAILABLE where it is being stopped.
   */
  inspect(owner: string, source: ModelSource, limitMs: number): Promise<ModelDescription> {
    return this.#inTurn(owner, (process) => process.inspect(source, limitMs));
  }

  /** @param owner whose deploy it is. @throws DawnletError as `inspect`. */
  compile(owner: string, request: CompileRequest, options: CompileOptions): Promise<Compiled> {
    return this.#inTurn(owner, (process) => process.compile(request, options));
  }

  /** Ends the processes; what waits for them fails. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#processes.map((process) => process.stop()));
  }

  #inTurn<T>(owner: string, work: (process: CompilerProcess) => Promise<T>): Promise<T> {
    return this.#turns.run(owner, async (place) => {
      if (this.#isStopped) throw new DawnletError("UNAVAILABLE", "Cannot compile as the gateway is stopping");
      return work(this.#processes[place]!);
    });
  }
}
