/** What the experiments of the live benchmark have in common: a policy's turn, live and in the simulator. Types only. */

/** Figures of one kind by name. */
export type Figures<Name extends string> = Readonly<Record<Name, number>>;

export interface LiveTurn<Name extends string> {
  /** What was the same for all policies: `9 functions at 0.5`. */
  readonly setting: string;
  readonly policy: string;
  /** Of a policy that is entered twice, the second time. */
  readonly again: boolean;
  /** Outputs that were not what they must be, and calls that failed. */
  readonly wrong: number;
  readonly live: Figures<Name>;
  readonly simulated: Figures<Name>;
}
