/** How unevenly calls are shared by functions: laws that give each rank its share. Pure; draws nothing. */

export type Popularity =
  /** The n-th function has n^-exponent of the first one's calls. 0: all alike; production has 1 or more. */
  | { readonly type: "zipf"; readonly exponent: number }
  /** As measured on Azure Functions; more uneven than Zipf's law with exponent 1. */
  | { readonly type: "azure2019" };

/**
 * Calls a day in the mean, as a power of ten, of the application below which that part of all lies (Shahrad et al.,
 * "Serverless in the Wild", USENIX ATC'20): 45 % have one an hour at most, 81.4 % one a minute at most, and the others
 * 99.6 % of all calls, which says how far up the last part goes. Straight lines between. The least is a call in the two
 * weeks that were measured, so this spans seven of the eight orders of magnitude that the paper counts.
 */
const azureQuantiles = [
  { part: 0, power: Math.log10(1 / 14) },
  { part: 0.45, power: Math.log10(24) },
  { part: 0.814, power: Math.log10(24 * 60) },
  { part: 1, power: 6.07 },
] as const;

/** The share of all calls of each rank: descending, 1 in all. */
export function popularityShares(popularity: Popularity, functions: number): Float64Array {
  const weights = Float64Array.from({ length: functions }, (_, rank) =>
    weightOf(popularity, rank, functions),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function weightOf(popularity: Popularity, rank: number, functions: number): number {
  switch (popularity.type) {
    case "zipf":
      return (rank + 1) ** -popularity.exponent;
    case "azure2019":
      return 10 ** azurePower(1 - (rank + 0.5) / functions);
    default:
      throw new TypeError(
        `There is no law of popularity '${(popularity satisfies never as Popularity).type}'`,
      );
  }
}

function azurePower(part: number): number {
  const above = azureQuantiles.findIndex((point) => part <= point.part);
  const [from, to] = [azureQuantiles[above - 1]!, azureQuantiles[above]!];
  return from.power + ((to.power - from.power) * (part - from.part)) / (to.part - from.part);
}
