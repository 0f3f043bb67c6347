/** Numbers of callers as WebIDL's `[EnforceRange]` takes them: truncated, and refused with a TypeError out of range. */

export function uint32(value: number, name: string): number {
  return inRange(value, 0xffff_ffff, name);
}

/** Sizes and offsets: whole numbers that JavaScript can hold. */
export function size64(value: number, name: string): number {
  return inRange(value, Number.MAX_SAFE_INTEGER, name);
}

export function optionalSize64(value: number | undefined, name: string): number | undefined {
  return value === undefined ? undefined : size64(value, name);
}

function inRange(value: number, most: number, name: string): number {
  const whole = Math.trunc(Number(value));
  // -0 is 0.
  if (whole >= 0 && whole <= most) return whole + 0;
  throw new TypeError(`${name} is ${String(value)}: expected a whole number of 0 to ${most}`);
}
