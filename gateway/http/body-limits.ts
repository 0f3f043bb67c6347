/** What requests may send, and how long it may take them. */

export interface BodyLimits {
  /** Largest bodies, counted after decompression. */
  readonly callBytes: number;
  readonly deployBytes: number;
  /** What the bodies of all calls under way may hold together; one tenant has half of it. */
  readonly heldBytes: number;
  /** For how long nothing of a body may arrive. */
  readonly stallMs: number;
}

const mebibyte = 2 ** 20;

/** Of the host's memory that bodies may hold: as JSON a body takes several times its bytes when it is decoded. */
const hostShare = 1 / 8;
/** Of the largest body, however small the host is: one tenant's half takes two of them. */
const leastBodies = 4;

/** @param hostBytes left out: the least. */
export function bodyLimits(given: Partial<BodyLimits> = {}, hostBytes = 0): BodyLimits {
  const callBytes = given.callBytes ?? 64 * mebibyte;
  return {
    callBytes,
    deployBytes: 4096 * mebibyte,
    heldBytes: Math.max(Math.floor(hostBytes * hostShare), leastBodies * callBytes),
    stallMs: 30_000,
    ...given,
  };
}
