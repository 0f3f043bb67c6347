/** Tables for the terminal: columns as wide as they need, numbers to the right. No colours, no units of its own. */

export type Cell = string | number;

/** Prints what `formatTable` gives. */
export function printTable(columns: readonly string[], rows: ReadonlyArray<readonly Cell[]>): void {
  console.log(formatTable(columns, rows));
}

/** @throws RangeError where a row has more or fewer cells than there are columns. */
export function formatTable(columns: readonly string[], rows: ReadonlyArray<readonly Cell[]>): string {
  for (const row of rows) {
    if (row.length !== columns.length) {
      throw new RangeError(`A row has ${row.length} cells, the table ${columns.length} columns`);
    }
  }
  const texts = rows.map((row) => row.map(formatCell));
  const widths = columns.map((column, i) => Math.max(column.length, ...texts.map((row) => row[i]!.length)));
  const isNumeric = columns.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (isNumeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(columns), widths.map((width) => "-".repeat(width)).join("  "), ...texts.map(line)].join("\n");
}

/** Four significant digits, whole numbers in full. */
function formatCell(cell: Cell): string {
  if (typeof cell === "string") return cell;
  if (!Number.isFinite(cell) || Number.isInteger(cell)) return String(cell);
  return Math.abs(cell) >= 1000 ? cell.toFixed(0) : String(Number(cell.toPrecision(4)));
}
