/** SVG as text: elements whose attributes and contents are escaped. */

/** Markup that is whole; only `element` and `text` make it. */
export interface Markup {
  readonly markup: string;
}

type Attributes = Readonly<Record<string, string | number>>;

export function element(name: string, attributes: Attributes, children: readonly Markup[] = []): Markup {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${escaped(typeof value === "number" ? shortened(value) : value)}"`,
  );
  const inside = children.map(({ markup }) => markup).join("");
  return { markup: `<${name}${written.join("")}${inside === "" ? "/>" : `>${inside}</${name}>`}` };
}

export function text(content: string): Markup {
  return { markup: escaped(content) };
}

function shortened(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Also without what XML does not allow at all: control characters, lone surrogates, U+FFFE and U+FFFF. */
function escaped(content: string): string {
  return (
    content
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
  );
}
