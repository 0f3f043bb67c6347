/**
 * Bytes of one client's buffers and query sets against its budget. What is destroyed has room again at once; but the
 * GPU gives its memory back only when it is done with it, so that what is on its way out counts against a second budget
 * of the same size.
 */
/** The budget, or the device, has no room: an error of memory, not of validation. */
export class OverBudget extends Error {}

/** What several budgets are part of. */
export interface Account {
  /** @throws OverBudget where there is no room for these. */
  take(bytes: number): void;
  give(bytes: number): void;
}

export class Budget {
  readonly budgetBytes: number;
  readonly #account: Account | undefined;
  #used = 0;
  #dying = 0;
  readonly #sizes = new Map<object, number>();

  /** @param account has its bytes from before they are used until the GPU has given them back. */
  constructor(budgetBytes: number, account?: Account) {
    this.budgetBytes = budgetBytes;
    this.#account = account;
  }

  get used(): number {
    return this.#used;
  }

  /** Nothing is in use, and nothing on its way out. */
  get isEmpty(): boolean {
    return this.#used === 0 && this.#dying === 0;
  }

  /**
   * Makes an object whose bytes count until it is removed.
   * @param what it is called where there is no room. @throws OverBudget, what `make` throws.
   */
  make<T extends object>(bytes: number, what: string, make: () => T): T {
    const used = this.#used + bytes;
    if (used > this.budgetBytes || used + this.#dying > 2 * this.budgetBytes)
      throw new OverBudget(
        `Cannot create ${what} of ${bytes} bytes: ${this.#used} of the budget of ${this.budgetBytes} are in use`,
      );
    this.#account?.take(bytes);
    let object: T;
    try {
      object = make();
    } catch (error) {
      this.#account?.give(bytes);
      throw error;
    }
    this.#used += bytes;
    this.#sizes.set(object, bytes);
    return object;
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
      this.#account?.give(bytes);
    };
    done.then(gone, gone);
  }
}
