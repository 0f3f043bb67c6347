/** The arguments of the density benchmark. */
import { type EvictionPolicyName, evictionPolicyNames } from "../../gateway/scheduler/eviction/policies.ts";

export const loads = ["trace", "skewed"] as const;
/** Which calls come. */
export type Load = (typeof loads)[number];

export interface DensitySettings {
  readonly policies: readonly EvictionPolicyName[];
  /** Sums of weights over what the device has room for. */
  readonly multiples: readonly number[];
  readonly loads: readonly Load[];
  readonly functions: number;
  /** Of weights: 1 for a hundredth of real models. */
  readonly scale: number;
  /** Of one run, as far as it counts. */
  readonly seconds: number;
  /** Calls a second. Undefined: what the device can serve, measured. */
  readonly rate: number | undefined;
  readonly hasOrt: boolean;
}

/** The trace has as many. */
export const traceFunctions = 203;
const defaultMultiples = [1, 2, 5, 10, 30];

/**
 * Policies, multiples (`10x`) and loads select, where one of their kind is named; options are named with two dashes.
 * @throws RangeError for anything else.
 */
export function parseSettings(args: readonly string[]): DensitySettings {
  const policies: EvictionPolicyName[] = [];
  const multiples: number[] = [];
  const named: Load[] = [];
  const numbers: Partial<Record<string, number>> = {};
  let hasOrt = true;
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    const policy = evictionPolicyNames.find((name) => name === word);
    const load = loads.find((name) => name === word);
    if (policy !== undefined) policies.push(policy);
    else if (load !== undefined) named.push(load);
    else if (/^\d+(\.\d+)?x$/.test(word) && Number.parseFloat(word) >= 1)
      multiples.push(Number.parseFloat(word));
    else if (word === "--no-ort") hasOrt = false;
    else if (/^--(seconds|rate|scale|functions)$/.test(word) && Number(args[i + 1]) > 0)
      numbers[word.slice(2)] = Number(args[++i]);
    else
      throw new RangeError(
        `There is no argument '${word}'. Known: ${evictionPolicyNames.join(", ")}, 1x and more, ${loads.join(", ")}, ` +
          "--seconds N, --rate N, --scale N, --functions N, --no-ort",
      );
  }
  return {
    policies: policies.length > 0 ? policies : evictionPolicyNames,
    multiples: multiples.length > 0 ? multiples : defaultMultiples,
    loads: named.length > 0 ? named : loads,
    functions: Math.min(traceFunctions, Math.round(numbers.functions ?? traceFunctions)),
    scale: numbers.scale ?? 1,
    seconds: numbers.seconds ?? 16,
    rate: numbers.rate,
    hasOrt,
  };
}
