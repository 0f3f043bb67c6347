/** What an experiment gives to `npm run bench -- simulate`: tables to print and figures to write. */
import type { Cell } from "../harness/table.ts";

export interface Report {
  readonly tables: readonly ReportTable[];
  /** Nested by name: `{ locality: { 35: { lb: { meanMs } } } }`. */
  readonly figures: Figures;
}

export interface ReportTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: ReadonlyArray<readonly Cell[]>;
}

export interface Figures {
  [name: string]: Figures | number;
}

/** Sets what `path` leads to, making what is missing on the way. @throws RangeError where a number is on the way. */
export function setFigure(
  figures: Figures,
  path: readonly (string | number)[],
  value: Figures | number,
): void {
  let at = figures;
  for (const step of path.slice(0, -1)) {
    const next = at[step] ?? {};
    if (typeof next === "number") throw new RangeError(`'${step}' of '${path.join(".")}' is a number`);
    at[step] = next;
    at = next;
  }
  at[path.at(-1)!] = value;
}

/** `-79.4 %`, of a change from the first value to the second. */
export function changeText(from: number, to: number): string {
  const percent = (to / from - 1) * 100;
  return `${percent > 0 ? "+" : ""}${percent.toFixed(1)} %`;
}

export function percentText(part: number): string {
  return `${(part * 100).toFixed(2)} %`;
}
