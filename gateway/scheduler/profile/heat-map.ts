/**
 * A profile as a picture: a heat map of quota and share for each batch size, side by side with one scale of colours. SVG
 * text that needs nothing else: it can stand in a page, in a file, or be an image's address. It has a ground of its own,
 * light or dark as its reader prefers.
 */
import { colourAt, textOn } from "./colour-scale.ts";
import { areaOf } from "./configurations.ts";
import type { Profile, ProfilePoint } from "./profile.ts";
import { markOf, percent, shortNumber } from "./profile-text.ts";
import { element, type Markup, text } from "./svg.ts";

/** What the cells show. `efficiency` is FaST-GShare's RPR: throughput / (quota × share). */
export const heatMapQuantities = ["throughput", "p50Ms", "p98Ms", "efficiency"] as const;
export type HeatMapQuantity = (typeof heatMapQuantities)[number];

const quantities: Readonly<Record<HeatMapQuantity, { readonly title: string; readonly unit: string }>> = {
  throughput: { title: "Throughput", unit: "calls a second" },
  p50Ms: { title: "Median latency", unit: "ms" },
  p98Ms: { title: "Latency, 98th percentile", unit: "ms" },
  efficiency: { title: "Efficiency", unit: "calls a second / (quota × share)" },
};

const cell = { width: 52, height: 30 };
const margin = { left: 84, top: 92, right: 24, bottom: 66 };
const gap = { x: 34, y: 62 };
const perRow = 3;
/** Of the picture, where few cells would leave less than the titles need. */
const leastWidth = 460;
/** Of the title beside the shares; a lower grid has a shorter one. */
const shareTitleLength = 170;
const legend = { height: 12, width: 240, space: 58 };

const style = `
.ground{fill:#ffffff}.ink{fill:#1f2328}.faint{fill:#59636e}.edge{stroke:#59636e}
@media (prefers-color-scheme: dark){.ground{fill:#0d1117}.ink{fill:#f0f6fc}.faint{fill:#9198a1}.edge{stroke:#9198a1}}
text{font-family:system-ui,sans-serif;font-size:12px}.title{font-size:16px;font-weight:600}.name{font-weight:600}
.value{font-size:11px;font-variant-numeric:tabular-nums}`;

/** The whole document; the best cell of all has a frame. The same profile gives the same text. */
export function heatMap(profile: Profile, quantity: HeatMapQuantity = "throughput"): string {
  const axes = axesOf(profile);
  const scale = scaleOf(profile.points.map((point) => figureOf(point, quantity)));
  const columns = Math.min(perRow, axes.batches.length);
  const rows = Math.ceil(axes.batches.length / perRow);
  const facet = { width: axes.quotas.length * cell.width, height: axes.shares.length * cell.height };
  const gridWidth = columns * facet.width + (columns - 1) * gap.x;
  const gridHeight = rows * facet.height + (rows - 1) * gap.y;
  const width = Math.max(leastWidth, margin.left + gridWidth + margin.right);
  const height = margin.top + gridHeight + margin.bottom + legend.space;
  const best = bestPoint(profile.points, quantity);
  const { title, unit } = quantities[quantity];
  const hasInferred = profile.points.some((point) => markOf(point) !== "");
  const what = `${title} in ${unit}, on ${profile.device}`;

  const facets = axes.batches.map((batch, index) => {
    const [column, row] = [index % perRow, Math.floor(index / perRow)];
    const left = margin.left + column * (facet.width + gap.x);
    const top = margin.top + row * (facet.height + gap.y);
    const points = profile.points.filter((point) => point.batch === batch);
    return element("g", { transform: `translate(${left} ${top})` }, [
      label(`batch ${batch}`, { x: 0, y: -8, class: "ink name" }),
      ...points.map((point) => cellOf(point, quantity, axes, scale, point === best)),
      ...axes.quotas.map((quota, i) =>
        label(percent(quota), { ...middle, x: (i + 0.5) * cell.width, y: facet.height + 16, class: "faint" }),
      ),
      ...(column === 0 ? shareLabels(axes.shares) : []),
    ]);
  });
  const across = margin.left + gridWidth / 2;
  const along = margin.top + gridHeight / 2;
  return element(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, role: "img" },
    [
      element("title", {}, [text(`${profile.function}: ${what}`)]),
      element("style", {}, [text(style)]),
      element("rect", { class: "ground", width, height }),
      label(cut(profile.function, width - 48, 9.8), { x: 24, y: 34, class: "ink title" }),
      label(cut(what, width - 48, 6.4), { x: 24, y: 54, class: "faint" }),
      ...facets,
      label("quota (% of GPU time)", { ...middle, x: across, y: margin.top + gridHeight + 40, class: "ink" }),
      label(gridHeight < shareTitleLength ? "space (%)" : "share in space (% of lanes)", {
        ...middle,
        x: 0,
        y: 0,
        transform: `translate(24 ${along}) rotate(-90)`,
        class: "ink",
      }),
      legendOf(scale, hasInferred ? `${unit}; ~ inferred` : unit, {
        left: margin.left,
        top: height - legend.space - 4,
      }),
    ],
  ).markup;
}

interface Axes {
  readonly quotas: readonly number[];
  /** Descending: more space is further up. */
  readonly shares: readonly number[];
  readonly batches: readonly number[];
}

interface Scale {
  readonly least: number;
  readonly most: number;
  /** Positions go with the logarithm, as the values differ by more than a linear scale shows. */
  readonly isLogarithmic: boolean;
}

const middle = { "text-anchor": "middle" } as const;

function axesOf({ points }: Profile): Axes {
  const values = (of: (point: ProfilePoint) => number) => [...new Set(points.map(of))].sort((a, b) => a - b);
  return {
    quotas: values(({ quota }) => quota),
    shares: values(({ share }) => share).reverse(),
    batches: values(({ batch }) => batch),
  };
}

function figureOf(point: ProfilePoint, quantity: HeatMapQuantity): number {
  return quantity === "efficiency" ? point.throughput / areaOf(point) : point[quantity];
}

function bestPoint(points: readonly ProfilePoint[], quantity: HeatMapQuantity): ProfilePoint | undefined {
  const sign = quantity === "p50Ms" || quantity === "p98Ms" ? -1 : 1;
  const rank = (point: ProfilePoint) => sign * figureOf(point, quantity);
  return points.reduce<ProfilePoint | undefined>(
    (best, point) => (best === undefined || rank(point) > rank(best) ? point : best),
    undefined,
  );
}

function scaleOf(values: readonly number[]): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const isLogarithmic = least > 0 && most / least > 30;
  return { least: isLogarithmic ? least : 0, most, isLogarithmic };
}

function positionOn({ least, most, isLogarithmic }: Scale, value: number): number {
  if (most <= least) return 0.5;
  return isLogarithmic ? Math.log(value / least) / Math.log(most / least) : (value - least) / (most - least);
}

function valueAt({ least, most, isLogarithmic }: Scale, position: number): number {
  return isLogarithmic ? least * (most / least) ** position : least + (most - least) * position;
}

function cellOf(
  point: ProfilePoint,
  quantity: HeatMapQuantity,
  axes: Axes,
  scale: Scale,
  isBest: boolean,
): Markup {
  const value = figureOf(point, quantity);
  const fill = colourAt(positionOn(scale, value));
  const ink = textOn(fill);
  const [x, y] = [
    axes.quotas.indexOf(point.quota) * cell.width,
    axes.shares.indexOf(point.share) * cell.height,
  ];
  const frame = {
    x: x + 3,
    y: y + 3,
    width: cell.width - 7,
    height: cell.height - 7,
    rx: 2,
    fill: "none",
    stroke: ink,
  };
  return element("g", {}, [
    // A blank of one unit between cells, so that equal ones can be told apart.
    element("rect", { x, y, width: cell.width - 1, height: cell.height - 1, fill }),
    ...(isBest ? [element("rect", { ...frame, "stroke-width": 2 })] : []),
    label(markOf(point) + shortNumber(value), {
      ...middle,
      x: x + (cell.width - 1) / 2,
      y: y + cell.height / 2 + 3.5,
      fill: ink,
      class: "value",
    }),
  ]);
}

function shareLabels(shares: readonly number[]): readonly Markup[] {
  return shares.map((share, i) =>
    label(percent(share), { "text-anchor": "end", x: -8, y: (i + 0.5) * cell.height + 4, class: "faint" }),
  );
}

/** A bar of the colours with five values; the frame of the best cell is explained beside it. */
function legendOf(
  scale: Scale,
  unit: string,
  { left, top }: { readonly left: number; readonly top: number },
): Markup {
  const steps = 60;
  const bar = Array.from({ length: steps }, (_, i) =>
    element("rect", {
      x: (i * legend.width) / steps,
      y: 0,
      width: legend.width / steps,
      height: legend.height,
      fill: colourAt(i / (steps - 1)),
      "shape-rendering": "crispEdges",
    }),
  );
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((position) => {
    const x = position * legend.width;
    return [
      element("line", { class: "edge", x1: x, x2: x, y1: legend.height, y2: legend.height + 4 }),
      label(shortNumber(valueAt(scale, position)), { ...middle, x, y: legend.height + 17, class: "faint" }),
    ];
  });
  return element("g", { transform: `translate(${left} ${top})` }, [
    ...bar,
    ...ticks,
    label(`${unit}${scale.isLogarithmic ? ", logarithmic" : ""}; frame: best`, {
      x: 0,
      y: legend.height + 36,
      class: "faint",
    }),
  ]);
}

function label(content: string, attributes: Readonly<Record<string, string | number>>): Markup {
  return element("text", attributes, [text(content)]);
}

/** As much of a line as fits, by the mean width of a letter: nothing can be measured without a font. */
function cut(line: string, width: number, letterWidth: number): string {
  const most = Math.floor(width / letterWidth);
  const letters = [...line];
  return letters.length <= most ? line : `${letters.slice(0, most - 1).join("")}…`;
}
