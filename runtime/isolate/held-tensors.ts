/**
 * Tensors of a handler whose bytes the gateway holds, most of them on the device: named by numbers, read when asked, and
 * given back when they are disposed of or nobody can name them any more.
 */
import type { RpcClient } from "../port/rpc-client.ts";

/** The gateway takes no more in one call. */
const mostReleased = 1 << 16;

export class HeldTensors {
  readonly #host: RpcClient;
  readonly #forgotten = new FinalizationRegistry<number>((held) => this.release(held));
  #released: number[] = [];

  /** @param host knows the calls `read` and `release`. */
  constructor(host: RpcClient) {
    this.#host = host;
  }

  /** Gives it back once `owner` is gone. */
  watch(owner: object, held: number): void {
    this.#forgotten.register(owner, held, owner);
  }

  async read(held: number): Promise<Uint8Array> {
    const { attachments } = await this.#host.call("read", held);
    return attachments[0]!;
  }

  /** `owner` is left out where it is gone. What goes in one turn goes as one call. */
  release(held: number, owner?: object): void {
    if (owner !== undefined) this.#forgotten.unregister(owner);
    if (this.#released.push(held) > 1) return;
    setTimeout(() => {
      const released = this.#released;
      this.#released = [];
      for (let at = 0; at < released.length; at += mostReleased)
        // Nobody is left to tell where the gateway is gone.
        this.#host.call("release", released.slice(at, at + mostReleased)).catch(() => undefined);
    });
  }
}
