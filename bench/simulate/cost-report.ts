/** The tables of what deciding costs and of how much can be simulated. */
import { schedulingPolicies, schedulingPolicyNames } from "../../gateway/scheduler/policies/policies.ts";
import { type CostCase, measureCost } from "./decision-cost.ts";
import { type Figures, type Report, type ReportTable, setFigure } from "./report.ts";

/** Two fifths of what a hundred devices can do. */
const hundredDevices = { functions: 1_000, nodes: 25, callsPerSecond: 2_000 };

export function reportCost(isQuick: boolean): Report {
  const figures: Figures = {};
  const { deadline } = schedulingPolicies;
  // So that it is compiled.
  measureCost({ ...hundredDevices, policy: deadline, seconds: 2 });
  const rows = schedulingPolicyNames.map((name) => {
    const seconds = isQuick ? 4 : 20;
    const row = measureCost({ ...hundredDevices, policy: schedulingPolicies[name], seconds });
    setFigure(figures, ["cost", name], { ...row });
    if (name === "deadline") setFigure(figures, ["decisionMicros"], row.decisionMicros);
    return [name, row.decisionMicros, row.decisionP99Micros, row.requestMicros, row.simulatedPerSecond];
  });
  const columns = ["policy", "a step, µs", "p99, µs", "a request, µs", "simulated requests/s"];
  return { tables: [{ title: "Cost: 1,000 functions, 100 devices", columns, rows }], figures };
}

interface ScaleCase extends Omit<CostCase, "policy"> {
  readonly name: string;
  readonly policies: readonly (keyof typeof schedulingPolicies)[];
}

/** A million requests each. */
const scaleCases: readonly ScaleCase[] = [
  {
    ...{ name: "small", functions: 20, nodes: 1, callsPerSecond: 100, seconds: 10_000, isTimed: false },
    policies: ["lb", "torpor", "mqfq-sticky", "deadline"],
  },
  {
    ...{ name: "large", functions: 10_000, nodes: 1_000, callsPerSecond: 80_000, seconds: 12.5 },
    policies: ["deadline"],
  },
];

export function reportScale(isQuick: boolean): Report {
  const figures: Figures = {};
  const part = isQuick ? 0.05 : 1;
  const rows = scaleCases.flatMap(({ name, policies, seconds, ...rest }) =>
    policies.map((policy) => {
      const row = measureCost({ ...rest, seconds: seconds * part, policy: schedulingPolicies[policy] });
      const { decisionMicros, decisionP99Micros, requestMicros, ...counts } = row;
      const times = Number.isNaN(decisionMicros) ? {} : { decisionMicros, decisionP99Micros, requestMicros };
      setFigure(figures, ["scale", name, policy], { ...counts, ...times });
      return [
        ...[name, policy, row.devices, row.functions, row.requests, row.answers],
        ...("decisionMicros" in times ? [decisionMicros, decisionP99Micros] : ["not timed", "not timed"]),
        row.simulatedPerSecond,
      ];
    }),
  );
  const table: ReportTable = {
    title: "Scale: one scheduler over all devices",
    columns: [
      ...["cluster", "policy", "devices", "functions", "requests", "answers"],
      ...["a step, µs", "p99, µs", "simulated requests/s"],
    ],
    rows,
  };
  return { tables: [table], figures };
}
