/**
 * Keeps the estimates of a device in the store, so that they survive a restart: `estimates/<adapter>.json`, one record
 * an adapter, as another GPU, driver or implementation of WebGPU has another speed. Nothing depends on it: a record
 * that cannot be read is ignored and written anew, one that cannot be written costs a line in the log.
 */
import { getLogger } from "@logtape/logtape";
import * as v from "valibot";
import type { DeviceDescription } from "../../runtime/device/api.ts";
import type { RecordPath, Records } from "../store/records.ts";
import { deviceClassOf } from "./device-class.ts";
import { type Estimates, type Figures, haveNews } from "./estimates.ts";

export interface EstimateRecordsOptions {
  readonly records: Records;
  /** Nothing was measured or asked of them yet. */
  readonly estimates: Estimates;
  readonly adapter: DeviceDescription["adapter"];
  /** How much a crash may lose. */
  readonly everyMs?: number;
}

/** Estimates never stand still under load: what moved by less is written only at the end. */
const tolerance = 0.1;
const usualEveryMs = 30_000;
/** Of the record; one with another is ignored. */
const format = 1;

const milliseconds = v.pipe(v.number(), v.finite(), v.minValue(0));
const recordSchema = v.object({
  format: v.literal(format),
  bytesPerMs: v.exactOptional(v.pipe(v.number(), v.finite(), v.gtValue(0))),
  programs: v.array(
    v.object({
      id: v.string(),
      loadMs: v.exactOptional(milliseconds),
      executeMs: v.exactOptional(milliseconds),
    }),
  ),
});

const log = getLogger(["dawnlet", "memory"]);

/**
 * Restores what the store has of this adapter, then writes what changed until it is disposed, and at last all of it.
 * Never throws.
 */
export async function keepEstimates(options: EstimateRecordsOptions): Promise<AsyncDisposable> {
  const { records, estimates, adapter, everyMs = usualEveryMs } = options;
  const path = estimatesPath(adapter);
  let kept = (await readFigures(records, path)) ?? { programs: [] };
  estimates.restore(kept);

  let isFailing = false;
  let writing = Promise.resolve();
  const save = async (least: number) => {
    const figures = estimates.figures();
    if (!haveNews(figures, kept, least)) return;
    try {
      await records.write(path, { format, adapter, ...figures });
      kept = figures;
      isFailing = false;
    } catch (error) {
      // A disk that stays full is told of once.
      if (!isFailing) log.warn("how long functions take to load cannot be kept: {error}", { error });
      isFailing = true;
    }
  };
  const saveNext = (least: number) => {
    writing = writing.then(() => save(least));
    return writing;
  };
  const timer = setInterval(() => void saveNext(tolerance), everyMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await saveNext(0);
    },
  };
}

/** The record of an adapter. Its name tells people nothing: the adapter stands in it. */
export function estimatesPath(adapter: DeviceDescription["adapter"]): RecordPath {
  return ["estimates", deviceClassOf(adapter)];
}

async function readFigures(records: Records, path: RecordPath): Promise<Figures | undefined> {
  try {
    return await records.readOptional(path, (value) => v.parse(recordSchema, value));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn("what {path}.json says of how long functions take to load is ignored: {reason}", {
      path: path.join("/"),
      reason,
    });
    return undefined;
  }
}
