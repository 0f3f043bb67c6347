/**
 * What a bundle's manifest states of its batches, tried on the device at deploy: calls that run together must give what
 * they give alone, bit by bit, whatever the rows beside them hold.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { BundleBatch } from "../../kernels/manifest/batch-settings.ts";
import type { WgslBundle } from "../../kernels/manifest/bundle.ts";
import { evaluate, parseExpression } from "../../kernels/manifest/expression.ts";
import type { Tensor, Tensors } from "../../kernels/tensor.ts";
import {
  edgeDomains,
  type SampleDomain,
  sampleDomains,
  sampleTensor,
  specialDomains,
  stressDomain,
} from "../../models/verify/samples.ts";
import { trialParameters, trialSizes } from "./check-shaders.ts";
import type { PreparedProgram } from "./prepared-call.ts";
import type { Backends, ServableCall } from "./servable.ts";
import type { WgslFunction } from "./wgsl-function.ts";

/** Rows of the smallest call that is tried: a bundle may want multiples of something. */
const trialRows = [1, 2, 3, 4, 16, 64, 256] as const;

/** The middle call's values; its neighbours keep ordinary ones. */
const domains: readonly SampleDomain[] = [
  sampleDomains[0]!,
  stressDomain,
  edgeDomains[0]!,
  ...specialDomains,
];

/**
 * @param candidate a function of the bundle whose constants are stored.
 * @throws DawnletError INVALID_BUNDLE naming the output, or where there are no sizes to try; whatever a run fails with.
 */
export async function checkBatch(
  candidate: WgslFunction,
  bundle: WgslBundle,
  { device }: Pick<Backends, "device">,
): Promise<void> {
  const { batch } = bundle;
  if (batch === undefined) return;
  const trial = findTrial(bundle, batch);
  if (trial === undefined)
    throw wrong(`it cannot be tried: no call of small sizes is taken whose rows fit in ${batch.maxRows}`);
  const { signal } = new AbortController();
  for (const [turn, domain] of domains.entries()) {
    const calls: PreparedProgram[] = [];
    for (const [i, shapes] of trial.shapes.entries()) {
      const inputs = sampleInputs(bundle, batch, shapes, i === 1 ? domain : sampleDomains[0]!, 10 * turn + i);
      const call: ServableCall = { inputs, parameters: trial.parameters, signal };
      const prepared = await candidate.prepare(call);
      if (prepared.type !== "program") throw new TypeError("A bundle's calls are runs on the device");
      calls.push(prepared);
    }
    const { group } = calls[0]!.batch!;
    const merged = group.merge(calls);
    const run = await device.run(merged.program, merged.inputs, signal);
    const parts = merged.split(run);
    for (const [i, call] of calls.entries()) {
      // WGSL promises little for these; what they do to their neighbours is the question.
      if (i === 1 && specialDomains.includes(domain)) continue;
      const alone = await device.run(call.program, call.inputs, signal);
      const name = call.outputs.find(
        (_, o) => !isSame(alone.outputs[o] as Uint8Array, parts[i]!.outputs[o] as Uint8Array),
      )?.name;
      if (name !== undefined)
        throw wrong(`output '${name}' of a call is another when it runs with others than when it runs alone`);
    }
  }
}

interface Trial {
  /** By call, then by the input's name. */
  readonly shapes: ReadonlyArray<Readonly<Record<string, readonly number[]>>>;
  readonly parameters: Readonly<Record<string, number>>;
}

/** Calls of different numbers of rows, as far as the largest run takes them. */
function findTrial(bundle: WgslBundle, { dimension, maxRows }: BundleBatch): Trial | undefined {
  const parameters = trialParameters(bundle);
  for (const size of trialSizes) {
    for (const rows of trialRows) {
      const calls = 4 * rows <= maxRows ? [rows, 2 * rows, rows] : [rows, rows];
      const all = calls.reduce((sum, count) => sum + count, 0);
      if (all > maxRows) break;
      const tried = [...calls, all].map((count) =>
        shapesFor(bundle, parameters, (name) => (name === dimension ? count : size)),
      );
      const shapes = tried.filter((one) => one !== undefined);
      if (shapes.length === tried.length) return { shapes: shapes.slice(0, calls.length), parameters };
    }
  }
  return undefined;
}

/** Of the inputs of a call that the bundle takes; undefined where it takes none of these sizes. */
function shapesFor(
  bundle: WgslBundle,
  given: Readonly<Record<string, number>>,
  sizeOf: (dimension: string) => number,
): Readonly<Record<string, readonly number[]>> | undefined {
  const { inputs, parameters } = bundle.signature;
  const defaults = new Map(parameters.map(({ name, default: stated }) => [name, given[name] ?? stated]));
  const evaluated = (source: string): number => {
    const expression = parseExpression(source);
    const scope = new Map([...expression.names].map((name) => [name, defaults.get(name) ?? sizeOf(name)]));
    return evaluate(expression, scope);
  };
  try {
    const shapes = Object.fromEntries(
      inputs.map(({ name, shape }) => [name, shape.map((d) => (typeof d === "number" ? d : evaluated(d)))]),
    );
    bundle.build(bundle.resolve(shapes, given));
    return shapes;
  } catch (error) {
    if (!(error instanceof DawnletError)) throw error;
    return undefined;
  }
}

/** Inputs without the batch's dimension are the same for all calls of a turn. */
function sampleInputs(
  { signature }: WgslBundle,
  { dimension }: BundleBatch,
  shapes: Readonly<Record<string, readonly number[]>>,
  domain: SampleDomain,
  seed: number,
): Tensors {
  const entries = signature.inputs.map(({ name, dataType, shape }, i): [string, Tensor] => {
    const spec = { name, dataType, shape: shapes[name]! };
    const isShared = shape[0] !== dimension;
    return [
      name,
      isShared ? sampleTensor(spec, sampleDomains[0]!, i) : sampleTensor(spec, domain, seed * 100 + i),
    ];
  });
  return Object.fromEntries(entries);
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && left.every((byte, i) => byte === right[i]);
}

function wrong(what: string): DawnletError {
  return new DawnletError("INVALID_BUNDLE", `Cannot use batch of function.json as ${what}`);
}
