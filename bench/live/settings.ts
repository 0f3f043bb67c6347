/** The arguments of the live benchmark. */

export interface LiveSettings {
  /** Device processes on the one adapter. */
  readonly devices: number;
  /** That a policy is called, in each setting. */
  readonly seconds: number;
  readonly isQuick: boolean;
  /** Whether each policy is entered twice: how far two runs of the same calls are apart, no simulator can be closer. */
  readonly isTwice: boolean;
  readonly experiments: ReadonlySet<LiveExperiment>;
}

export type LiveExperiment = (typeof experimentNames)[number];

const experimentNames = ["locality", "density", "contention"] as const;

const defaults = { devices: 2, seconds: 16 };
const quick = { devices: 2, seconds: 4 };
/** Long against a call, short against the times for which a machine is fast or slow. */
const sliceSeconds = 2;

/** In which they are called, other policies' and calibration between them. */
export function slicesFor(seconds: number): number {
  return Math.max(1, Math.round(seconds / sliceSeconds));
}

/** @throws RangeError for what it does not know. */
export function parseSettings(args: readonly string[]): LiveSettings {
  const isQuick = args.includes("--quick");
  const isTwice = args.includes("--twice");
  const numbers: Record<keyof typeof defaults, number> = { ...(isQuick ? quick : defaults) };
  const named: LiveExperiment[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === "--quick" || word === "--twice") continue;
    const experiment = experimentNames.find((name) => name === word);
    if (experiment !== undefined) {
      named.push(experiment);
      continue;
    }
    const key = (["devices", "seconds"] as const).find((name) => word === `--${name}`);
    const value = Number(args[i + 1]);
    const isWhole = key === "seconds" || Number.isInteger(value);
    if (key === undefined || !(value > 0) || !isWhole)
      throw new RangeError(
        `There is no argument '${word}'. Known: ${experimentNames.join(", ")}, --seconds N, --devices N (2 to 4), --quick, --twice`,
      );
    numbers[key] = value;
    i++;
  }
  if (numbers.devices < 2 || numbers.devices > 4)
    throw new RangeError(`Cannot use ${numbers.devices} devices: 2 to 4 are meant`);
  return { ...numbers, isQuick, isTwice, experiments: new Set(named.length === 0 ? experimentNames : named) };
}
