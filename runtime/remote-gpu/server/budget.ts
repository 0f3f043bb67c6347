/**
 * Bytes of one client's buffers and query sets against its budget. What is destroyed has room again at once; but the
 * GPU gives its memory back only when it is done with it, so that what is on its way out counts against a second budget
 * of the same size.
 */
export class Budget {
  readonly budgetBytes: number;
  #used = 0;
  #dying = 0;
  readonly #sizes = new Map<object, number>();

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  get used(): number {
    return this.#used;
  }

  hasRoom(bytes: number): boolean {
    const used = this.#used + bytes;
    return used <= this.budgetBytes && used + this.#dying <= 2 * this.budgetBytes;
  }

  add(object: object, bytes: number): void {
    this.#used += bytes;
    this.#sizes.set(object, bytes);
  }

  /** @param done settles when the GPU has finished what was submitted until now. */
  remove(object: object, done: Promise<unknown>): void {
    const bytes = this.#sizes.get(object);
    if (bytes === undefined) return;
    this.#sizes.delete(object);
    this.#used -= bytes;
    this.#dying += bytes;
    const gone = () => {
      this.#dying -= bytes;
    };
    done.then(gone, gone);
  }
}
