/**
 * Inputs that a model accepts, with the reference's answers: what a Program is recorded on and must agree on before
 * anybody is served by it.
 */
import type { Program } from "../../kernels/program/program.ts";
import { narrowTensor, type Tensor, type TensorSpec } from "../../kernels/tensor.ts";
import { joinTensors } from "../../kernels/tensor-rows.ts";
import type { CpuSession } from "../../models/ort.ts";
import { isOrdinary } from "../../models/verify/compare.ts";
import {
  edgeDomains,
  type SampleDomain,
  sampleDomains,
  sampleTensor,
  specialDomains,
  stressDomain,
} from "../../models/verify/samples.ts";

/** Inputs in the Program's order, and what the reference answers, by output name. */
export interface VerificationCase {
  readonly inputs: readonly Tensor[];
  readonly expected: ReadonlyMap<string, Tensor>;
  /** True where each row is an example that the reference has answered alone. */
  readonly isBatch?: boolean;
}

/** Longer Programs are checked on ordinary and large values only: the edges of one operator of many decide little. */
const longestWithEdges = 16;
const attempts = 8;

export class ReferenceCases {
  readonly #session: CpuSession;
  readonly #specs: readonly TensorSpec[];
  readonly #gpuSpecs: readonly TensorSpec[];
  readonly #rows: number | undefined;

  /**
   * @param gpuSpecs of the same inputs as the Program takes them: some int64 ones as int32.
   * @param rows of a Program that takes several examples at once. Specs and session are those of one.
   */
  constructor(
    session: CpuSession,
    specs: readonly TensorSpec[],
    gpuSpecs: readonly TensorSpec[],
    rows?: number,
  ) {
    this.#session = session;
    this.#specs = specs;
    this.#gpuSpecs = gpuSpecs;
    this.#rows = rows;
  }

  /**
   * Two random draws of one domain that differ in each input: what depends on an input shows.
   * @returns a reason in words where there are none.
   */
  async ordinary(): Promise<readonly [VerificationCase, VerificationCase] | string> {
    let refusal = "each draw gives the same";
    for (const domain of sampleDomains) {
      try {
        const first = await this.#case(domain, 1);
        for (let seed = 2; seed < 2 + attempts; seed++) {
          const second = await this.#case(domain, seed);
          if (differInEach(first.inputs, second.inputs)) return [first, second];
        }
      } catch (error) {
        refusal = error instanceof Error ? error.message : String(error);
      }
    }
    return `no two sample inputs are accepted, so nothing could be verified (${refusal})`;
  }

  /** Values that are less ordinary, as far as the model takes them and the Program is served with them. */
  async further({ steps }: Program): Promise<readonly VerificationCase[]> {
    const cases: VerificationCase[] = [];
    const add = async (domain: SampleDomain, isWanted: (one: VerificationCase) => boolean) => {
      const one = await this.#case(domain, 3).catch(() => undefined);
      if (one !== undefined && isWanted(one)) cases.push(one);
    };
    await add(stressDomain, () => true);
    if (steps.length > longestWithEdges) return cases;
    for (const domain of edgeDomains) await add(domain, () => true);
    for (const domain of specialDomains)
      await add(domain, ({ expected }) => [...expected.values()].every(isOrdinary));
    return cases;
  }

  async #case(domain: SampleDomain, seed: number): Promise<VerificationCase> {
    if (this.#rows === undefined) return this.#single(domain, seed, 0);
    const singles: VerificationCase[] = [];
    for (let row = 0; row < this.#rows; row++) singles.push(await this.#single(domain, seed, row));
    return joinCases(singles);
  }

  /** @throws DawnletError INVALID_ARGUMENT, RangeError where the Program could not take the values. */
  async #single(domain: SampleDomain, seed: number, row: number): Promise<VerificationCase> {
    const tensors = this.#specs.map((spec, i) => sampleTensor(spec, domain, seedOf(seed, row, i)));
    const inputs = tensors.map((tensor, i) => {
      const fitting = tensor.dataType === this.#gpuSpecs[i]!.dataType ? tensor : narrowTensor(tensor);
      if (fitting === undefined) throw new RangeError("The session is called with such values");
      return fitting;
    });
    const named = Object.fromEntries(this.#specs.map(({ name }, i) => [name, tensors[i]!]));
    return { inputs, expected: await this.#session.run(named) };
  }
}

/** Of one input of one example. */
function seedOf(seed: number, row: number, input: number): number {
  return (seed + 64 * row) * 1000 + input;
}

/** @throws RangeError where what an example gives is not one row. */
function joinCases(singles: readonly VerificationCase[]): VerificationCase {
  const { expected } = singles[0]!;
  const names = [...expected.keys()];
  const odd = names.find((name) => expected.get(name)!.shape[0] !== 1);
  if (odd !== undefined)
    throw new RangeError(`of one example output '${odd}' has shape [${expected.get(odd)!.shape}]`);
  return {
    inputs: joinEach(singles.map(({ inputs }) => inputs)),
    expected: new Map(
      names.map((name) => [name, joinTensors(singles.map((one) => one.expected.get(name)!))]),
    ),
    isBatch: true,
  };
}

/** The first tensors of all lists joined, then the second, … */
function joinEach(lists: ReadonlyArray<readonly Tensor[]>): readonly Tensor[] {
  return lists[0]!.map((_, i) => joinTensors(lists.map((list) => list[i]!)));
}

function differInEach(first: readonly Tensor[], second: readonly Tensor[]): boolean {
  return first.every(({ data }, i) => {
    const other = second[i]!.data;
    return data.byteLength === 0 || data.some((byte, at) => byte !== other[at]);
  });
}
