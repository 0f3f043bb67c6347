/**
 * What one side of a FetchPeer puts up with, and the sizes that both sides must agree on. Whoever goes beyond a limit
 * of the other side is cut off, so both sides should be given the same limits: each checks its own before it sends.
 */

export interface FetchLimits {
  /** Requests that either side may have under way at a time. */
  readonly requests: number;
  /** Headers of one request or response. */
  readonly headers: number;
  /** Characters of all names and values of one request or response. */
  readonly headerBytes: number;
  readonly urlLength: number;
  /** What is kept of one body until it is read; at least `firstCreditBytes`. */
  readonly windowBytes: number;
}

/** Enough for what browsers send and HTTP servers take. */
export const defaultFetchLimits: FetchLimits = {
  requests: 1024,
  headers: 256,
  headerBytes: 64 * 1024,
  urlLength: 16 * 1024,
  windowBytes: 1024 * 1024,
};

/** What may be sent of a body before the other side has granted anything. Part of the protocol. */
export const firstCreditBytes = 256 * 1024;

/** What a chunk costs beside its bytes, so that a flood of tiny ones costs its sender too. Part of the protocol. */
export const chunkOverheadBytes = 256;

/** Bodies up to this size may travel with their head. Part of the protocol. */
export const wholeBodyBytes = firstCreditBytes - chunkOverheadBytes;

/** @param contentLength as a header has it. */
export function isSmallLength(contentLength: string): boolean {
  return /^\d{1,15}$/.test(contentLength) && Number(contentLength) <= wholeBodyBytes;
}

/** @throws RangeError where the window is smaller than what may come unasked. */
export function completeLimits(limits: Partial<FetchLimits> = {}): FetchLimits {
  const complete = { ...defaultFetchLimits, ...limits };
  if (!(complete.windowBytes >= firstCreditBytes))
    throw new RangeError(`A window of ${complete.windowBytes} bytes is less than ${firstCreditBytes}`);
  return complete;
}
