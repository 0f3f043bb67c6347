/**
 * The scheduler at work on two real devices that hold half of the functions: calls over HTTP with and without deadlines,
 * under policies that decide very differently. Each answer is compared with the function's own, and in the end the
 * scheduler must believe what is the case.
 */
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomStream } from "../../bench/traces/random.ts";
import { schedulingPolicyNames } from "../../gateway/scheduler/policies/policies.ts";
import type { Tensors } from "../../kernels/tensor.ts";
import { onlyUnderNode } from "../left-out.ts";
import { matrixBundle, matrixBytes, matrixInputs, matrixProduct, outputsDigest } from "./function-crowd.ts";
import { dataFolder, type RunningGateway, startGateway } from "./running-gateway.ts";
import { floatsIn } from "./tensors.ts";

const rows = 4096;
const functionCount = 8;
/** Of the weights budget, an eighth less: between two and three functions. */
const deviceBytes = Math.ceil((2.5 * matrixBytes(rows) * 8) / 7);
const callers = 8;
const callsEach = 20;

interface Member {
  readonly name: string;
  readonly inputs: Tensors;
  readonly expected: string;
}

let folder: Awaited<ReturnType<typeof dataFolder>>;
let server: RunningGateway;
let members: Member[];

beforeAll(async () => {
  folder = await dataFolder();
  // With room for all: what each gives alone.
  server = await startGateway(folder.path);
  members = [];
  for (let i = 0; i < functionCount; i++) {
    const name = `matrix-${i}`;
    await server.client.mustDeploy(name, matrixBundle(i, rows));
    const inputs = matrixInputs(i);
    const outputs = await server.client.infer(name, inputs);
    const right = matrixProduct(i, rows, i);
    for (const [row, value] of floatsIn(outputs.get("y")!).entries())
      expect(Math.abs(value - right[row]!)).toBeLessThan(1e-4);
    members.push({ name, inputs, expected: outputsDigest(outputs) });
  }
  await server.close();
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

const devices = () => server.gateway.backends.devices;

const isBaselinesLeftOut = onlyUnderNode(
  "the gateway under policies other than `deadline`",
  "each is tried by itself, and the gateway with the default one",
);

describe.each(isBaselinesLeftOut ? (["deadline"] as const) : (["deadline", "lalbo3", "torpor"] as const))(
  "under '%s'",
  (scheduling) => {
    beforeAll(async () => {
      server = await startGateway(folder.path, { devices: 2, deviceBytes, scheduling });
    });
    afterAll(() => server.close());

    test("calls with deadlines of all kinds are answered right, or refused where they asked for it", async () => {
      const seen = { answered: 0, refused: 0 };
      const failures = await callAll(scheduling.length, (random) => deadlineHeaders(random), seen);
      expect(failures).toEqual([]);
      expect(seen.answered + seen.refused).toBe(callers * callsEach);
      if (scheduling === "deadline") expect(seen.refused).toBeGreaterThan(0);
      else expect(seen.refused).toBe(0);
      // Not all have room: something had to go.
      expect(devices().devices.every(({ managed }) => managed.evictions.last.length > 0)).toBe(true);
      await expectCalm();
    });

    test("a device that is killed amid calls costs no call its answer", async () => {
      const [killed] = devices().devices;
      const before = killed!.managed.health.generation;
      const seen = { answered: 0, refused: 0 };
      const calls = callAll(7, () => ({}), seen);
      await expect.poll(() => seen.answered, { interval: 5, timeout: 20_000 }).toBeGreaterThan(callers);
      process.kill((await devices().pid(0))!, "SIGKILL");
      expect(await calls).toEqual([]);
      expect(seen.answered).toBe(callers * callsEach);
      await expect.poll(() => killed!.managed.health.generation, { timeout: 20_000 }).toBeGreaterThan(before);
      await expect.poll(() => killed!.isUp, { timeout: 20_000 }).toBe(true);
      expect(await callAll(8, () => ({}), seen)).toEqual([]);
      await expectCalm();
    });
  },
);

const others = schedulingPolicyNames.filter((name) => !["deadline", "lalbo3", "torpor"].includes(name));

test.skipIf(isBaselinesLeftOut).each(others)(
  "'%s' is taken by its name and answers calls that come at once",
  async (scheduling) => {
    server = await startGateway(folder.path, { devices: 2, deviceBytes, scheduling });
    try {
      const answers = await Promise.all(
        members.slice(0, 4).map(({ name, inputs }) => server.client.tryInfer(name, inputs)),
      );
      expect(answers.map((one) => ("error" in one ? one.error : outputsDigest(one.outputs)))).toEqual(
        members.slice(0, 4).map(({ expected }) => expected),
      );
      expect(server.gateway.backends.dispatcher.waiting).toBe(0);
    } finally {
      await server.close();
    }
  },
);

/** A fifth of the calls cannot be in time and ask to be told, others can or do not care. */
function deadlineHeaders(random: () => number): Record<string, string> {
  const kind = Math.floor(random() * 5);
  if (kind === 0) return { "dawnlet-deadline": "0.001", "dawnlet-late": "refuse" };
  if (kind === 1) return { "dawnlet-deadline": String(5 + 100 * random()), "dawnlet-late": "refuse" };
  if (kind === 2) return { "dawnlet-deadline": String(1 + 50 * random()) };
  return {};
}

/** Callers that each call functions at random, half of them the first two. @returns what went wrong, in words. */
async function callAll(
  seed: number,
  headersOf: (random: () => number) => Record<string, string>,
  seen: { answered: number; refused: number },
): Promise<readonly string[]> {
  const failures: string[] = [];
  const caller = async (index: number) => {
    const random = randomStream(seed, index);
    for (let i = 0; i < callsEach; i++) {
      const { name, inputs, expected } =
        members[Math.floor(random() * (random() < 0.5 ? 2 : functionCount))]!;
      const headers = headersOf(random);
      const answer = await server.client.tryInfer(name, inputs, {}, headers);
      expectBudgets();
      if (!("error" in answer)) {
        seen.answered++;
        if (outputsDigest(answer.outputs) !== expected) failures.push(`${name}: a wrong answer`);
      } else if (answer.code === "DEADLINE_EXCEEDED" && headers["dawnlet-late"] === "refuse") seen.refused++;
      else failures.push(`${name}: ${answer.status} ${answer.code}: ${answer.error}`);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)));
  return failures;
}

function expectBudgets(): void {
  for (const { usedBytes, budgetBytes } of devices().devices)
    expect(usedBytes).toBeLessThanOrEqual(budgetBytes);
}

/** Nothing waits, runs or comes in, and the scheduler believes of each device what is the case. */
async function expectCalm(): Promise<void> {
  const { dispatcher } = server.gateway.backends;
  const { cluster } = dispatcher;
  const believed = () =>
    cluster.devices.map(({ residences }) =>
      [...residences.values()]
        .filter(({ state }) => state === "resident")
        .map(({ id }) => id.split("@")[0]!)
        .sort(),
    );
  const actual = () =>
    devices().devices.map(({ managed }) =>
      [...managed.residency.residences]
        .filter(({ state }) => state === "resident")
        .map(({ label }) => label)
        .sort(),
    );
  // Copies may still come in ahead of calls.
  await expect.poll(() => cluster.devices.map(({ loads }) => loads), { timeout: 10_000 }).toEqual([0, 0]);
  await expect.poll(believed, { timeout: 10_000 }).toEqual(actual());
  expect(actual().flat().length).toBeGreaterThan(0);
  expect({ waiting: dispatcher.waiting, requests: cluster.requests.size, runs: cluster.runs.size }).toEqual({
    ...{ waiting: 0, requests: 0, runs: 0 },
  });
  for (const { managed } of devices().devices) {
    expect(managed.residency.waiting).toBe(0);
    expect((await managed.memory()).totalBytes).toBeLessThanOrEqual(deviceBytes);
  }
}
