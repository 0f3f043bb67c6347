/**
 * Finds bytes that rotted on the disk without anyone having written to them, which no seal tells. Reads all blobs and
 * Programs again, slowly, while nothing else goes on, and breaks the seal of those that are wrong, so that no process
 * takes them for weights. Repairs nothing: deploying the function again does.
 */
import { getLogger } from "@logtape/logtape";
import type { Blobs } from "./blobs.ts";

const log = getLogger(["dawnlet", "store"]);

export interface ScrubOptions {
  readonly store: { readonly blobs: Blobs; readonly programs: Blobs };
  /** It waits while this says true. */
  readonly isBusy?: () => boolean;
  /** Told of each that was read. */
  readonly onChecked?: (digest: string, isIntact: boolean) => void;
  readonly bytesPerSecond?: number;
  readonly signal?: AbortSignal;
}

export interface ScrubReport {
  readonly blobs: number;
  readonly bytes: number;
  /** Digests of those that have other bytes. */
  readonly damaged: readonly string[];
}

/** Ten gigabytes in ten minutes, with a hundredth of a core. */
const usualBytesPerSecond = 16 * 2 ** 20;
const busyPauseMs = 1000;

/** Looks at each blob once, in random order: gateways that live shortly reach all in time. Ends early when aborted. */
export async function scrub(options: ScrubOptions): Promise<ScrubReport> {
  const { store, isBusy = () => false, onChecked, signal } = options;
  const { bytesPerSecond = usualBytesPerSecond } = options;
  const damaged: string[] = [];
  let blobs = 0;
  let bytes = 0;
  const afterPiece = async (sizeBytes: number) => {
    bytes += sizeBytes;
    await pause((sizeBytes / bytesPerSecond) * 1000, signal);
    while (isBusy() && !signal?.aborted) await pause(busyPauseMs, signal);
    signal?.throwIfAborted();
  };
  for (const [folder, digest] of await shuffledList(store)) {
    if (signal?.aborted) break;
    try {
      const isIntact = await folder.isIntact(digest, afterPiece);
      blobs++;
      // It may have been removed, or written again, while it was read slowly.
      if (!isIntact && (!(await folder.has(digest)) || (await folder.isIntact(digest)))) continue;
      onChecked?.(digest, isIntact);
      if (isIntact) continue;
      damaged.push(digest);
      log.error("stored {digest} has other bytes: deploy again what uses it", { digest });
      await folder.distrust(digest);
    } catch (error) {
      if (signal?.aborted) break;
      const reason = error instanceof Error ? error.message : String(error);
      log.error("stored {digest} cannot be checked: {reason}", { digest, reason });
    }
  }
  return { blobs, bytes, damaged };
}

export interface RegularScrubOptions extends Omit<ScrubOptions, "signal"> {
  readonly firstAfterMs?: number;
  /** From the end of one to the start of the next. */
  readonly everyMs?: number;
}

const hourMs = 3_600_000;

/** Scrubs again and again until it is disposed, which waits for the piece that is being read. */
export function scrubRegularly(options: RegularScrubOptions): AsyncDisposable {
  const { firstAfterMs = hourMs / 4, everyMs = 7 * 24 * hourMs } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const work = (async () => {
    for (let waitMs = firstAfterMs; ; waitMs = everyMs) {
      await pause(waitMs, signal);
      if (signal.aborted) return;
      try {
        const { blobs, bytes, damaged } = await scrub({ ...options, signal });
        if (!signal.aborted)
          log.info("checked {blobs} blobs of {bytes} bytes in all: {damaged} damaged", {
            blobs,
            bytes,
            damaged: damaged.length,
          });
      } catch (error) {
        log.error("the stored blobs cannot be checked: {error}", { error });
      }
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await work;
    },
  };
}

async function shuffledList(store: ScrubOptions["store"]): Promise<ReadonlyArray<readonly [Blobs, string]>> {
  const all: Array<readonly [Blobs, string]> = [];
  for (const folder of [store.blobs, store.programs])
    for (const digest of await folder.list()) all.push([folder, digest]);
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

/** Settles after that time or when aborted; keeps no process from ending. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal?.addEventListener("abort", done, { once: true });
  });
}
