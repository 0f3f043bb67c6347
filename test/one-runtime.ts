/** What runs in one runtime only, so that both runs end in time: said in the output, never silent. */

export const isDeno = "Deno" in globalThis;

/** @returns true under Deno, where it says that this is left out. @param why it is enough to try it under Node. */
export function onlyUnderNode(what: string, why: string): boolean {
  if (isDeno) console.info(`Under Deno ${what} is left out: ${why}`);
  return isDeno;
}
