/** The tables of the density experiment: functions that meet their deadlines, on a node, with bursts, on six nodes. */
import type { SchedulingPolicy } from "../../gateway/scheduler/core/policy.ts";
import { deadline } from "../../gateway/scheduler/policies/deadline/deadline.ts";
import { keepAliveWith } from "../../gateway/scheduler/policies/keep-alive.ts";
import { native } from "../../gateway/scheduler/policies/native.ts";
import { simpleSwap, torpor } from "../../gateway/scheduler/policies/torpor.ts";
import type { MinuteTrace } from "../traces/minute-trace.ts";
import { readTorporTrace } from "../traces/shared-traces.ts";
import { type DensityCase, measureDensity, peerBytesPerMs } from "./density.ts";
import { type Figures, type Report, type ReportTable, setFigure } from "./report.ts";

interface Contestant extends Pick<DensityCase, "policy" | "isPerNode"> {
  readonly name: string;
  /** Not with more functions a node. */
  readonly mostOfNode?: number;
}

/** Torpor's GPUs copy weights to each other; WebGPU's, and so ours, do not. */
const torporNvlink: SchedulingPolicy = { ...torpor, traits: { ...torpor.traits, peerBytesPerMs } };

const ours: Contestant = { name: "deadline", policy: () => deadline };
const baselines: readonly Contestant[] = [
  { name: "native", policy: () => native },
  // Beyond that its backlog grows all the time, and what it takes to simulate with it.
  { name: "keep-alive", policy: keepAliveWith, mostOfNode: 250 },
  { name: "simple-swap", policy: () => simpleSwap },
  { name: "torpor", policy: () => torpor },
  { name: "torpor-nvlink", policy: () => torporNvlink },
];
const onNode = [...baselines, ours];
/** Baselines are schedulers of a node. */
const onCluster = [
  ...baselines.map((one) => ({ ...one, isPerNode: true })),
  { ...ours, name: "deadline-per-node", isPerNode: true },
  ours,
];

interface Setting extends Pick<DensityCase, "nodes" | "minutes" | "withBursts" | "trace"> {
  readonly name: string;
  readonly title: string;
  readonly counts: readonly number[];
  readonly contestants: readonly Contestant[];
  readonly published: Readonly<Record<number, string>>;
}

export async function reportDensity(isQuick: boolean): Promise<Report> {
  const figures: Figures = {};
  const trace = await readTorporTrace();
  const tables = settingsOf(trace, isQuick).map((setting) => measure(setting, figures));
  return { tables, figures };
}

function settingsOf(trace: MinuteTrace, isQuick: boolean): readonly Setting[] {
  const counts = isQuick ? [160, 480, 560] : [40, 80, 160, 240, 320, 400, 480, 560];
  const node = { trace, nodes: 1, minutes: isQuick ? 6 : 11, counts, contestants: onNode };
  return [
    {
      ...{ ...node, name: "density", withBursts: false },
      title: "Density: functions that meet their deadline, of so many on four GPUs",
      published: {
        160: "torpor 160, native 72, keep-alive 7",
        480: "torpor 480",
        560: "torpor more than 448",
      },
    },
    {
      ...{ ...node, name: "densityBursts", withBursts: true, published: {} },
      title: "Density with bursts: a burst a function, 20 times its calls for 10 s in the mean",
    },
    {
      ...{ trace, name: "densityCluster", nodes: 6, minutes: isQuick ? 4 : 6, withBursts: false },
      title: "Density on a cluster: six nodes of four GPUs",
      counts: isQuick ? [1_600] : [1_000, 1_300, 1_600, 2_400, 3_000],
      contestants: onCluster,
      published: { 1000: "torpor more than 1,000, native 500 at most" },
    },
  ];
}

function measure(setting: Setting, figures: Figures): ReportTable {
  const { name, title, counts, contestants, published, ...rest } = setting;
  const rows = counts.map((functions) => {
    const meeting = contestants.map((contestant) => {
      if (functions / setting.nodes > (contestant.mostOfNode ?? Number.POSITIVE_INFINITY)) return "";
      const row = measureDensity({ ...rest, ...contestant, functions, seed: 1 });
      setFigure(figures, [name, functions, contestant.name], {
        ...{ meeting: row.meeting, called: row.called, p98Ms: row.p98Ms, missRatio: row.missRatio },
      });
      return row.meeting;
    });
    return [functions, ...meeting, published[functions] ?? ""];
  });
  return { title, columns: ["functions", ...contestants.map((one) => one.name), "published"], rows };
}
