/**
 * Takes a stream of bytes apart into messages, in whatever pieces the stream comes.
 *
 * Bytes come in one of two ways: a carrier that can read into a given place asks `target()` and then says
 * `received(n)`, one that brings pieces of its own calls `push(piece)`. A frame that lies whole in a piece is
 * not copied; a longer one is gathered once. Memory grows with what has come, not with what was announced.
 */
import { decodeFrame, defaultFrameLimits, type FrameLimits, prefixBytes, readPrefix } from "./frame.ts";
import type { Message } from "./port.ts";

/** Where small frames land when the carrier reads into a given place: what a socket read usually brings. */
const landingBytes = 64 * 1024;

/**
 * A frame above this size gets room as its bytes come, four times as much each time: what it announces may be a
 * lie. (Doubling from 8 MiB made messages of 64 MB take half as long again.)
 */
const trustedBytes = 16 * 1024 * 1024;

export class FrameDecoder {
  readonly #deliver: (message: Message) => void;
  readonly #limits: FrameLimits;
  #landing: Uint8Array<ArrayBuffer> | undefined;
  /** Of a frame whose size is not known yet. */
  readonly #prefix = new Uint8Array(prefixBytes);
  #prefixFilled = 0;
  /** Of a frame that is being gathered. */
  #frame: Uint8Array<ArrayBuffer> | undefined;
  #frameBytes = 0;
  #frameFilled = 0;

  /** `deliver` gets each message as soon as it is complete. */
  constructor(deliver: (message: Message) => void, limits: FrameLimits = defaultFrameLimits) {
    this.#deliver = deliver;
    this.#limits = limits;
  }

  /** Where the next bytes are to be read to; never empty. Valid until the next call of any method. */
  target(): Uint8Array<ArrayBuffer> {
    if (this.#frame) return this.#frame.subarray(this.#frameFilled);
    this.#landing ??= new Uint8Array(landingBytes);
    return this.#landing;
  }

  /**
   * Says that the first `sizeBytes` bytes of `target()` have been filled.
   * @throws DawnletError as `push`.
   */
  received(sizeBytes: number): void {
    if (this.#frame) {
      this.#frameFilled += sizeBytes;
      this.#advance();
      return;
    }
    const landing = this.target();
    // Messages view the landing from here on, so it is not read into again unless none had attachments.
    this.#landing = undefined;
    if (!this.push(landing.subarray(0, sizeBytes))) this.#landing = landing;
  }

  /**
   * Takes the next bytes. The piece must not change afterwards, because messages may view it.
   * @returns whether a message does view it.
   * @throws DawnletError PAYLOAD_TOO_LARGE, INVALID_ARGUMENT where these are no frames: nothing can be
   *   read from this stream any more.
   */
  push(piece: Uint8Array<ArrayBuffer>): boolean {
    let viewed = false;
    let at = 0;
    while (at < piece.byteLength) {
      const rest = piece.byteLength - at;
      if (this.#frame) {
        const taken = Math.min(this.#frame.byteLength - this.#frameFilled, rest);
        this.#frame.set(piece.subarray(at, at + taken), this.#frameFilled);
        this.#frameFilled += taken;
        at += taken;
        this.#advance();
      } else if (this.#prefixFilled > 0 || rest < prefixBytes) {
        const taken = Math.min(prefixBytes - this.#prefixFilled, rest);
        this.#prefix.set(piece.subarray(at, at + taken), this.#prefixFilled);
        this.#prefixFilled += taken;
        at += taken;
        if (this.#prefixFilled === prefixBytes) this.#begin(readPrefix(this.#prefix, this.#limits));
      } else {
        const frameBytes = readPrefix(piece.subarray(at, at + prefixBytes), this.#limits);
        if (frameBytes > rest || (piece.byteOffset + at) % 8 !== 0) {
          this.#prefix.set(piece.subarray(at, at + prefixBytes));
          at += prefixBytes;
          this.#begin(frameBytes);
          continue;
        }
        const message = decodeFrame(piece.subarray(at, at + frameBytes), this.#limits);
        at += frameBytes;
        viewed ||= message.attachments.length > 0;
        this.#deliver(message);
      }
    }
    return viewed;
  }

  /** Starts to gather a frame whose prefix lies in `#prefix`. */
  #begin(frameBytes: number): void {
    this.#prefixFilled = 0;
    this.#frame = new Uint8Array(Math.min(frameBytes, trustedBytes));
    this.#frame.set(this.#prefix);
    this.#frameBytes = frameBytes;
    this.#frameFilled = prefixBytes;
    this.#advance();
  }

  /** Delivers the gathered frame if it is complete, makes room if it is full. */
  #advance(): void {
    const frame = this.#frame!;
    if (this.#frameFilled < frame.byteLength) return;
    if (this.#frameFilled === this.#frameBytes) {
      this.#frame = undefined;
      this.#deliver(decodeFrame(frame, this.#limits));
      return;
    }
    this.#frame = new Uint8Array(Math.min(this.#frameBytes, 4 * frame.byteLength));
    this.#frame.set(frame);
  }
}
