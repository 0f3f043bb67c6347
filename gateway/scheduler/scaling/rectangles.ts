/**
 * One device as a sheet of 1 × 1, quota (share of GPU time) across and share in space up, of which each replica holds
 * a rectangle: how FaST-GShare (ICPP'23) divides a GPU. Keeps all maximal free rectangles (MaxRects: Jylänki, "A
 * thousand ways to pack the bin", 2010) and places by best short side, ties at the left bottom. Moves nothing that
 * is placed: that is repack.ts.
 */

/**
 * Sides are whole grains, so that five fifths are exactly one. 100 800 = 2⁶·3²·5²·7: hundredths, lanes of 64, and
 * most other parts that somebody may ask for are whole numbers of it.
 */
export const grainsPerSide = 100_800;

/** What a replica may use of a device, both in (0, 1]. */
export interface Extent {
  /** Of GPU time. */
  readonly quota: number;
  /** Of the lanes, in space. */
  readonly share: number;
}

/** In grains. */
export interface Rectangle {
  readonly left: number;
  readonly bottom: number;
  /** Quota. */
  readonly width: number;
  /** Share in space. */
  readonly height: number;
}

export interface Sheet {
  /** By the names that they were placed with. They do not overlap. */
  readonly placed: ReadonlyMap<string, Rectangle>;
  /** Every maximal rectangle that overlaps nothing placed, in a fixed order. They overlap each other. */
  readonly free: readonly Rectangle[];
}

/** How well an extent fits a free rectangle: what is left of its two sides, in grains. */
export interface Fit {
  readonly rectangle: Rectangle;
  readonly shortSide: number;
  readonly longSide: number;
}

const whole: Rectangle = { left: 0, bottom: 0, width: grainsPerSide, height: grainsPerSide };

export const emptySheet: Sheet = { placed: new Map(), free: [whole] };

/** The best place for an extent, undefined where no free rectangle takes it. @throws RangeError as `sidesOf`. */
export function findFit({ free }: Sheet, extent: Extent): Fit | undefined {
  const { width, height } = sidesOf(extent);
  let best: Fit | undefined;
  for (const room of free) {
    const [right, above] = [room.width - width, room.height - height];
    if (right < 0 || above < 0) continue;
    const rectangle = { left: room.left, bottom: room.bottom, width, height };
    const fit = { rectangle, shortSide: Math.min(right, above), longSide: Math.max(right, above) };
    if (best === undefined || compareFits(fit, best) < 0) best = fit;
  }
  return best;
}

/** With one rectangle more, undefined where it has no place. @throws RangeError where the name is placed already. */
export function place(sheet: Sheet, name: string, extent: Extent): Sheet | undefined {
  if (sheet.placed.has(name)) throw new RangeError(`'${name}' is on the sheet already`);
  const fit = findFit(sheet, extent);
  if (fit === undefined) return undefined;
  return {
    placed: new Map(sheet.placed).set(name, fit.rectangle),
    free: inOrder(cutOut(sheet.free, fit.rectangle)),
  };
}

/**
 * Without one of them. What is free is worked out anew from what stays ("keep-restructure"): it does not depend on the
 * order in which the others went. One that is not there is fine.
 */
export function release(sheet: Sheet, name: string): Sheet {
  if (!sheet.placed.has(name)) return sheet;
  const known = released.get(sheet) ?? new Map<string, Sheet>();
  const without = known.get(name) ?? withoutOne(sheet, name);
  released.set(sheet, known.set(name, without));
  return without;
}

/** The same sheet each time, so that what was found out about it is known: many sizes are tried in one's place. */
const released = new WeakMap<Sheet, Map<string, Sheet>>();

/** Part of the sheet that nobody holds, in [0, 1]. In as many pieces as there may be. */
export function freeArea({ placed }: Sheet): number {
  let taken = 0;
  for (const { width, height } of placed.values()) taken += width * height;
  return 1 - taken / grainsPerSide ** 2;
}

/** @throws RangeError where a side is not in (0, 1]. */
export function sidesOf({ quota, share }: Extent): { readonly width: number; readonly height: number } {
  return { width: toGrains(quota, "quota"), height: toGrains(share, "share in space") };
}

export function overlaps(a: Rectangle, b: Rectangle): boolean {
  return (
    a.left < b.left + b.width &&
    b.left < a.left + a.width &&
    a.bottom < b.bottom + b.height &&
    b.bottom < a.bottom + a.height
  );
}

/** To the nearest grain: what is off by rounding is 5 millionths of a device. */
function toGrains(part: number, word: string): number {
  if (!(part > 0 && part <= 1)) throw new RangeError(`A ${word} is above 0 and at most 1, not ${part}`);
  return Math.max(1, Math.round(part * grainsPerSide));
}

function withoutOne(sheet: Sheet, name: string): Sheet {
  const placed = new Map(sheet.placed);
  placed.delete(name);
  return { placed, free: inOrder([...placed.values()].reduce(cutOut, [whole])) };
}

function compareFits(a: Fit, b: Fit): number {
  return (
    a.shortSide - b.shortSide ||
    a.rectangle.left - b.rectangle.left ||
    a.rectangle.bottom - b.rectangle.bottom ||
    a.longSide - b.longSide
  );
}

/** Cuts a rectangle out of all free ones and drops what lies inside another. */
function cutOut(free: readonly Rectangle[], taken: Rectangle): readonly Rectangle[] {
  const pieces: Rectangle[] = [];
  const kept: Rectangle[] = [];
  for (const room of free) {
    if (overlaps(room, taken)) pieces.push(...around(room, taken));
    else kept.push(room);
  }
  // What was maximal and is not cut stays so; pieces may lie in it, or in each other.
  for (const [index, piece] of pieces.entries()) {
    const isInside = (other: Rectangle, at: number) =>
      contains(other, piece) && (at > index || !same(other, piece));
    if (kept.some((room) => contains(room, piece))) continue;
    if (pieces.some((other, at) => at !== index && isInside(other, at))) continue;
    kept.push(piece);
  }
  return kept;
}

/** The largest parts of a room to the left, right, bottom and top of what is taken. */
function around(room: Rectangle, taken: Rectangle): Rectangle[] {
  const [roomRight, roomTop] = [room.left + room.width, room.bottom + room.height];
  const [right, top] = [taken.left + taken.width, taken.bottom + taken.height];
  const parts = [
    { ...room, width: taken.left - room.left },
    { ...room, left: right, width: roomRight - right },
    { ...room, height: taken.bottom - room.bottom },
    { ...room, bottom: top, height: roomTop - top },
  ];
  return parts.filter(({ width, height }) => width > 0 && height > 0);
}

function contains(outer: Rectangle, inner: Rectangle): boolean {
  return (
    outer.left <= inner.left &&
    outer.bottom <= inner.bottom &&
    outer.left + outer.width >= inner.left + inner.width &&
    outer.bottom + outer.height >= inner.bottom + inner.height
  );
}

function same(a: Rectangle, b: Rectangle): boolean {
  return contains(a, b) && contains(b, a);
}

function inOrder(free: readonly Rectangle[]): readonly Rectangle[] {
  return [...free].sort(
    (a, b) => a.left - b.left || a.bottom - b.bottom || a.width - b.width || a.height - b.height,
  );
}
