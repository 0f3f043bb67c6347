/** How much of a device's budget weights leave to the rest: activations, constants, staging. */

/** Of large devices the rest needs no eighth. */
const usualBytes = 256 * 2 ** 20;

/**
 * In bytes: an eighth of the budget or 256 MiB, whichever is less, and a quarter more than the rest takes now.
 * @param restBytes what is no weight and on the device now.
 */
export function reservedBytes(budgetBytes: number, restBytes: number): number {
  return Math.max(Math.ceil(1.25 * restBytes), Math.min(Math.ceil(budgetBytes / 8), usualBytes));
}
