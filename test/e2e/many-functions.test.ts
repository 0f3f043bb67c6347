/**
 * Eighty functions, whose weights are at least ten times what the device may hold, called at random from all sides for ten
 * seconds; or two hundred, for as many as DAWNLET_CROWD_SECONDS says.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DeviceReport } from "../../gateway/devices/report.ts";
import type { Tensors } from "../../kernels/tensor.ts";
import {
  addCopies,
  crowdModels,
  inputsFor,
  matrixBundle,
  matrixInputs,
  outputsDigest,
  randomFloats,
  storedWeightBytes,
} from "./function-crowd.ts";
import { dataFolder, type RunningGateway, startGateway } from "./running-gateway.ts";

const mebibyte = 2 ** 20;
const isLong = process.env.DAWNLET_CROWD_SECONDS !== undefined;
const seconds = Number(process.env.DAWNLET_CROWD_SECONDS ?? 10);
const [functionCount, copiesOfEach, deviceBytes] = isLong
  ? ([200, 20, 14 * mebibyte] as const)
  : ([80, 8, 6 * mebibyte] as const);
/** What is tried is the same in both runtimes, and deploying them takes half a minute. */
const isLeftOut = "Deno" in globalThis && !isLong;
if (isLeftOut)
  console.info("Eighty functions are left out under Deno: set DAWNLET_CROWD_SECONDS to call two hundred");
const callers = 16;
const setupMs = 300_000;

interface Member {
  readonly name: string;
  /** Each with the digest of its outputs when nothing else was on the device. */
  readonly calls: Array<{ readonly inputs: Tensors; readonly expected: string }>;
}

describe.skipIf(isLeftOut)(`${functionCount} functions on a device that holds a tenth of them`, () => {
  let folder: Awaited<ReturnType<typeof dataFolder>>;
  let server: RunningGateway;
  let members: Member[] = [];
  let weightBytes = 0;

  beforeAll(async () => {
    folder = await dataFolder();
    const inputs = await deployAll();
    const names = [...inputs.keys()];
    expect(names).toHaveLength(functionCount);
    weightBytes = await storedWeightBytes(folder.path);
    // With room for all: what each gives alone.
    server = await startGateway(folder.path, { deviceBytes: 1024 * mebibyte });
    members = [];
    for (const name of names) members.push({ name, calls: await soloCalls(name, inputs.get(name)!) });
    await server.close();
    server = await startGateway(folder.path, { deviceBytes });
  }, setupMs);

  afterAll(async () => {
    await server.close();
    await folder[Symbol.asyncDispose]();
  });

  async function deployAll(): Promise<Map<string, (seed: number) => Tensors>> {
    const inputs = new Map<string, (seed: number) => Tensors>();
    server = await startGateway(folder.path, { deviceBytes: 1024 * mebibyte });
    for (const [name, build] of Object.entries(crowdModels)) {
      const { current } = await server.client.mustDeploy(name, build());
      expect(current.engine.type, name).toBe("program");
    }
    const matrices = functionCount - Object.keys(crowdModels).length * (copiesOfEach + 1);
    for (let i = 0; i < matrices; i++) {
      // From a quarter of a mebibyte to two.
      await server.client.mustDeploy(`matrix-${i}`, matrixBundle(i, 1024 * (1 + (i % 8))));
      inputs.set(`matrix-${i}`, matrixInputs);
    }
    await server.close();
    const models = Object.keys(crowdModels);
    for (const { name, signature } of await addCopies(folder.path, models, copiesOfEach)) {
      inputs.set(name, (seed) => inputsFor(signature, seed));
      inputs.set(name.replace(/-\d+$/, ""), (seed) => inputsFor(signature, seed));
    }
    return inputs;
  }

  async function soloCalls(name: string, inputsOf: (seed: number) => Tensors): Promise<Member["calls"]> {
    const calls: Member["calls"] = [];
    // Two where that is cheap.
    for (const seed of name.startsWith("matrix") ? [1, 2] : [1]) {
      const inputs = inputsOf(seed);
      calls.push({ inputs, expected: outputsDigest(await server.client.infer(name, inputs)) });
    }
    return calls;
  }

  async function report(): Promise<DeviceReport> {
    return (await server.client.send<{ devices: DeviceReport[] }>("/v1/devices")).body.devices[0]!;
  }

  test("every answer is the function's own, bit by bit, within the budget", {
    timeout: setupMs + seconds * 2_000,
  }, async () => {
    expect(weightBytes).toBeGreaterThan(10 * deviceBytes);
    expect(new Set(members.map(({ calls }) => calls[0]!.expected)).size).toBe(functionCount);
    const endsAt = performance.now() + seconds * 1_000;
    const wrong: string[] = [];
    const latencies: number[] = [];
    let most = 0;
    const call = async (caller: number) => {
      const random = randomFloats(caller, 100_000);
      for (let i = 0; performance.now() < endsAt; i++) {
        // Some are called much more often than others.
        const share = (random[(2 * i) % random.length]! + 1) / 2;
        const member = members[Math.floor(share ** 2 * members.length)]!;
        const which = random[(2 * i + 1) % random.length]! > 0 ? 0 : -1;
        const { inputs, expected } = member.calls.at(which)!;
        const startedAt = performance.now();
        const answer = await server.client.tryInfer(member.name, inputs);
        latencies.push(performance.now() - startedAt);
        if ("error" in answer) wrong.push(`${member.name}: ${answer.code}: ${answer.error}`);
        else if (outputsDigest(answer.outputs) !== expected) wrong.push(`${member.name}: other bytes`);
      }
    };
    const poll = async () => {
      while (performance.now() < endsAt) {
        const memory = await server.gateway.backends.devices.memory();
        most = Math.max(most, memory.totalBytes);
        expect(memory.totalBytes).toBeLessThanOrEqual(deviceBytes);
        const { residency } = server.gateway.backends.devices.devices[0]!.managed;
        expect(residency.usedBytes).toBeLessThanOrEqual(residency.budgetBytes);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await Promise.all([poll(), ...Array.from({ length: callers }, (_, i) => call(i + 1))]);
    const { swapIns, evictions, weights } = await report();
    latencies.sort((a, b) => a - b);
    const at = (share: number) => latencies[Math.floor(share * latencies.length)]!.toFixed(1);
    console.log(
      [
        `${latencies.length} calls in ${seconds} s (DAWNLET_CROWD_SECONDS), ${functionCount} functions`,
        `weights of ${mib(weightBytes)} on a device of ${mib(deviceBytes)}, of which at most ${mib(most)} were used`,
        `${swapIns.count} swap-ins of ${mib(swapIns.bytes)}, ${evictions.counts.room} evictions`,
        `latency p50 ${at(0.5)} ms, p98 ${at(0.98)} ms`,
        `weight budget ${mib(weights.budgetBytes)}`,
      ].join("; "),
    );
    expect(wrong).toEqual([]);
    expect(swapIns.count).toBeGreaterThan(30);
    // The scheduler commands most of them, the device the rest.
    expect(evictions.counts.room! + evictions.counts.commanded!).toBeGreaterThan(15);
  });

  test("and nothing stays when they are removed", { timeout: setupMs }, async () => {
    for (let i = 0; i < members.length; i += 20) {
      const some = members.slice(i, i + 20);
      const answers = await Promise.all(some.map(({ name }) => server.client.remove(name)));
      for (const { status } of answers) expect(status).toBe(204);
    }
    expect(await server.gateway.backends.devices.memory()).toMatchObject({
      totalBytes: 0,
      weightBytes: 0,
      placedBytes: 0,
      loadedPrograms: 0,
      residentPrograms: [],
      hostBytes: 0,
    });
    expect(await report()).toMatchObject({ residents: [], loading: [], weights: { bytes: 0 } });
  });
});

function mib(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`;
}
