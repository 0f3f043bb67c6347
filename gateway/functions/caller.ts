/** Who calls the gateway, and on whose behalf a function calls others. How they prove it: gateway/http/access.ts. */
import type { FunctionVersion } from "./functions.ts";

export type Caller =
  /** Who runs the gateway: may do everything. */
  | { readonly type: "operator" }
  /** One of several parties, each of which sees its own functions only. */
  | { readonly type: "tenant"; readonly name: string };

export const operator: Caller = { type: "operator" };

/** As whom a function calls others. */
export function ownerOf({ tenant }: Pick<FunctionVersion, "tenant">): Caller {
  return tenant === undefined ? operator : { type: "tenant", name: tenant };
}
