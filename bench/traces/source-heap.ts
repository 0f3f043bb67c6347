/**
 * The next call of many sources: a binary heap of their next times. Taking a call and asking its source for another is
 * one sift, of as many comparisons as the sources have binary digits. Makes no arrivals; knows of no function.
 */
import type { CallSource } from "./arrivals.ts";

export class SourceHeap {
  readonly #sources: readonly CallSource[];
  readonly #endMs: number;
  /** By source. */
  readonly #nextMs: Float64Array;
  /** Sources, as a heap: none is before the one at half its position. */
  readonly #heap: Uint32Array;
  #size = 0;

  /** @param endMs sources whose next call is not before it are dropped. */
  constructor(sources: readonly CallSource[], endMs: number) {
    this.#sources = sources;
    this.#endMs = endMs;
    this.#nextMs = new Float64Array(sources.length);
    this.#heap = new Uint32Array(sources.length);
    for (const [source, next] of sources.entries()) {
      this.#nextMs[source] = next();
      if (this.#nextMs[source]! < endMs) this.#heap[this.#size++] = source;
    }
    for (let i = (this.#size >> 1) - 1; i >= 0; i--) this.#siftDown(i);
  }

  /** Sources that have another call. */
  get size(): number {
    return this.#size;
  }

  /** The earliest call: its source, by position. Only while `size` is above 0. */
  get source(): number {
    return this.#heap[0]!;
  }

  /** When it comes. */
  get timeMs(): number {
    return this.#nextMs[this.#heap[0]!]!;
  }

  /** Takes the earliest call. */
  advance(): void {
    const source = this.#heap[0]!;
    const nextMs = this.#sources[source]!();
    if (nextMs < this.#endMs) this.#nextMs[source] = nextMs;
    else this.#heap[0] = this.#heap[--this.#size]!;
    this.#siftDown(0);
  }

  #siftDown(position: number): void {
    const heap = this.#heap;
    const sinking = heap[position]!;
    let at = position;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isBefore(heap[child]!, sinking)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = sinking;
  }

  /** Calls of the same time go by source, so that the order does not depend on what was in the heap. */
  #isBefore(a: number, b: number): boolean {
    const difference = this.#nextMs[a]! - this.#nextMs[b]!;
    return difference < 0 || (difference === 0 && a < b);
  }
}
