/** Limits of WebGPU as data that can be copied and sent. */

/** @returns by name, as `GPUSupportedLimits` has them. */
export function plainLimits(limits: GPUSupportedLimits): Record<string, number> {
  const plain: Record<string, number> = {};
  // Names live on the prototype as getters: for-in finds them, Object.keys does not.
  for (const name in limits) {
    const value: unknown = limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") plain[name] = value;
  }
  return plain;
}
