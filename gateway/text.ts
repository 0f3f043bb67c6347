/** Tables and quantities as text. */

/** Columns padded to their widest cell, two blanks between them; the first row is the heading. */
export function tableLines(rows: ReadonlyArray<readonly string[]>): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `640 B`, `3.2 KiB`, `1.5 GiB` */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `1.2e-7`, `0`, `0.031`: two digits of a small number. */
export function formatError(value: number): string {
  const rounded = Number(value.toPrecision(2));
  return rounded !== 0 && rounded < 1e-3 ? rounded.toExponential() : String(rounded);
}
