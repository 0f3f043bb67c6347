/**
 * The life of esbuild's process. It lasts for one bundle: starting it takes about ten milliseconds, nothing stays
 * behind between deploys, and code that hangs or crashes it harms no other bundle.
 */
import type { build, transform } from "esbuild";
import { DawnletError } from "../../kernels/errors.ts";
import { Turns } from "../../runtime/supervisor/turns.ts";

export interface Bundler {
  readonly build: typeof build;
  readonly transform: typeof transform;
}

/** Bundling takes milliseconds: what takes longer than this was made to. */
export const bundlingLimitMs = 60_000;

const turns = new Turns(1);

/**
 * One after the other, as esbuild has one process for all.
 * @param owner whose code it is: owners have turns.
 * @throws DawnletError INVALID_BUNDLE where it takes too long; what `use` throws.
 */
export function withBundler<Result>(
  owner: string,
  use: (bundler: Bundler) => Promise<Result>,
  limitMs: number = bundlingLimitMs,
): Promise<Result> {
  return turns.run(owner, () => once(use, limitMs));
}

async function once<Result>(use: (bundler: Bundler) => Promise<Result>, limitMs: number): Promise<Result> {
  const esbuild = await import("esbuild");
  const { promise: timeUp, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = `Cannot deploy the bundle as bundling its code takes longer than ${limitMs} ms`;
    reject(new DawnletError("INVALID_BUNDLE", message));
  }, limitMs);
  try {
    return await Promise.race([use(esbuild), timeUp]);
  } finally {
    clearTimeout(timer);
    await esbuild.stop();
  }
}
