/** How much more is to go where a device had no room for a Program though the gateway saw some. */
import { DawnletError } from "../../kernels/errors.ts";
import type { OwnedProgram } from "./owner.ts";

/**
 * The first failure evicts as much as the device lacks by its own count. What is free then may be in pieces, between
 * weights that are coming in and cannot be moved: each further one evicts twice as much, the last all there is.
 */
const maxAttempts = 6;

/** Bytes that are to go before a run is tried again; undefined where it is not. @param attempt that failed; the first is 1. */
export function bytesToEvict(
  error: unknown,
  { weights }: Pick<OwnedProgram, "weights">,
  attempt: number,
): number | undefined {
  if (!(error instanceof DawnletError) || attempt >= maxAttempts) return undefined;
  // A load that it had joined was given up by others.
  if (error.code === "CANCELLED") return 0;
  const needed = error.details?.neededBytes;
  if (error.code !== "OUT_OF_MEMORY" || typeof needed !== "number" || needed <= 0) return undefined;
  if (attempt === 1) return needed;
  if (attempt === maxAttempts - 1) return Number.POSITIVE_INFINITY;
  const sizeBytes = weights.reduce((sum, weight) => sum + weight.sizeBytes, 0);
  return Math.max(needed, sizeBytes * 2 ** (attempt - 2));
}

/** Before work is tried again for which there was no room; longer each time. */
const retryMs = 20;

/**
 * Work that needs room for what is no weights, as staging to read a tensor.
 * @param makeRoom has weights of so many bytes go.
 * @throws DawnletError what the last try failed with.
 */
export async function withRoom<T>(
  work: () => Promise<T>,
  makeRoom: (bytes: number) => Promise<void>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const bytes = bytesToFree(error, attempt);
      if (bytes === undefined) throw error;
      await makeRoom(bytes);
      // Weights that are in use cannot go yet.
      await new Promise((resolve) => setTimeout(resolve, retryMs * (attempt - 1)));
    }
  }
}

function bytesToFree(error: unknown, attempt: number): number | undefined {
  if (!(error instanceof DawnletError) || attempt >= maxAttempts) return undefined;
  const needed = error.details?.neededBytes;
  if (error.code !== "OUT_OF_MEMORY" || typeof needed !== "number" || needed <= 0) return undefined;
  // It is weights as a whole that go, and slabs as a whole that become free.
  return attempt === maxAttempts - 1 ? Number.POSITIVE_INFINITY : needed * 8 ** (attempt - 1);
}
