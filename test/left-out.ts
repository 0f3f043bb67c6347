/** What runs in one runtime only, or only if it is asked for, so that both runs end in time: said in the output, never silent. */
import process from "node:process";

export const isDeno = "Deno" in globalThis;

/** @returns true under Deno, where it says that this is left out. @param why it is enough to try it under Node. */
export function onlyUnderNode(what: string, why: string): boolean {
  if (isDeno) console.info(`Under Deno ${what} is left out: ${why}`);
  return isDeno;
}

/** @returns true unless DAWNLET_SLOW_TESTS=all, where it says that this is left out. @param why it is not always tried. */
export function onlyIfAsked(what: string, why: string): boolean {
  const isLeftOut = process.env.DAWNLET_SLOW_TESTS !== "all";
  if (isLeftOut) console.info(`Left out without DAWNLET_SLOW_TESTS=all: ${what}, as ${why}`);
  return isLeftOut;
}
