/** From a request to the functions that its caller may see: what the protocols get in place of all functions. */
import type { Functions } from "../functions/functions.ts";
import { functionsFor } from "../functions/tenant-functions.ts";
import type { Exchange } from "../http/exchange.ts";

export type FunctionsOf = (exchange: Exchange) => Functions;

/** @throws TypeError where nobody was asked who they are: that is for paths that name no function. */
export function functionsByCaller(all: Functions): FunctionsOf {
  return ({ caller }) => {
    if (caller === undefined) throw new TypeError("An open path asks for functions");
    return functionsFor(all, caller);
  };
}
