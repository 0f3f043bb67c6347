/** What a rule throws where an old operator has no clear equal; upgrade.ts adds where it happened. */
export class CannotUpgrade extends Error {
  /** @param message completes "Cannot upgrade … as". */
  constructor(message: string) {
    super(message);
    this.name = "CannotUpgrade";
  }
}
