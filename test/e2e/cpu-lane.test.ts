/** A gateway with a CPU lane beside a software GPU: which models run on it, what they answer, what is told of it. */
import { beforeAll, describe, expect, test } from "vitest";
import type { LaneReport } from "../../gateway/devices/report.ts";
import { compareTensors } from "../../models/verify/compare.ts";
import { buildBert } from "../../models/zoo/bert.ts";
import type { ChildProcess } from "../../runtime/platform/platform.ts";
import { gatewayFor } from "./running-gateway.ts";
import { floats } from "./tensors.ts";
import { zipped } from "./zipped.ts";

const lanes: ChildProcess[] = [];
const server = gatewayFor("all tests", {
  cpu: 1,
  onChild: (kind, child) => {
    if (kind === "session") lanes.push(child);
  },
});
const text = { layers: 1, hidden: 32, heads: 2, vocabulary: 50, positions: 16 };
const ids = Array.from({ length: 16 }, (_, i) => (7 * i) % 50);
const inputs = ["input_ids", "attention_mask", "token_type_ids"].map((name, i) => {
  const data = [ids, ids.map(() => 1), ids.map(() => 0)][i];
  return { name, shape: [1, 16], datatype: "INT64", data };
});
/** So many at a time that the GPU would answer the last of them after the lane's process has started. */
const crowd = 48;

beforeAll(async () => {
  const model = buildBert({ ...text, batch: 1, sequence: 16 });
  await server.client.mustDeploy("text", model);
  const manifest = { kind: "onnx", model: "model.onnx", cpu: false };
  const bundle = await zipped({ "function.json": manifest, "model.onnx": model });
  await server.client.mustDeploy("text-on-gpu", bundle);
}, 120_000);

interface Answer {
  readonly device: string | null;
  readonly values: readonly number[];
}

async function call(name: string): Promise<Answer> {
  const body = JSON.stringify({ inputs, outputs: [{ name: "pooler_output" }] });
  const response = await fetch(`${server.client.url}/v2/models/${name}/infer`, { method: "POST", body });
  const { error, outputs } = await response.json();
  if (error !== undefined) throw new Error(error);
  return { device: response.headers.get("dawnlet-device"), values: outputs[0].data };
}

const together = (name: string, count = crowd) =>
  Promise.all(Array.from({ length: count }, () => call(name)));

function expectClose({ values }: Answer, expected: Answer): void {
  const [actual, right] = [values, expected.values].map((of) => floats([of.length], of));
  expect(compareTensors(actual!.data, right!, 100).firstBad).toBeUndefined();
}

async function lane(): Promise<LaneReport> {
  const { body } = await server.client.send<{ devices: LaneReport[] }>("/v1/devices");
  return body.devices.find(({ id }) => id === "cpu0")!;
}

describe("with a CPU lane", () => {
  test("a model that the software GPU computes more slowly goes there, and answers as it did", async () => {
    const first = await call("text");
    expect(first.device).toBe("software0");
    const seen = new Set<string | null>();
    for (let round = 0; round < 10 && !seen.has("cpu0"); round++)
      for (const answer of await together("text")) {
        seen.add(answer.device);
        expectClose(answer, first);
      }
    expect(seen).toContain("cpu0");
    const { kind, isUp, sessions, usedBytes, budgetBytes } = await lane();
    expect({ kind, isUp }).toEqual({ kind: "cpu", isUp: true });
    expect(sessions.map((session) => session.function)).toEqual(["text"]);
    expect(usedBytes.total).toBeGreaterThan(0);
    expect(usedBytes.total).toBeLessThan(budgetBytes);
    const metrics = await (await fetch(`${server.client.url}/metrics`)).text();
    expect(metrics).toContain('dawnlet_cpu_sessions{device="cpu0"} 1');
  });

  test("a model whose manifest says so never goes there", async () => {
    const first = await call("text-on-gpu");
    for (const answer of await together("text-on-gpu")) {
      expect(answer.device).toBe("software0");
      expectClose(answer, first);
    }
    expect((await lane()).sessions.map((session) => session.function)).not.toContain("text-on-gpu");
  });

  test("the end of a session's process costs no call its answer", async () => {
    const first = await call("text");
    const calls = together("text", 8);
    lanes.at(-1)!.kill();
    for (const answer of await calls) expectClose(answer, first);
    expectClose(await call("text"), first);
  });

  test("the lane has no profile, which is said", async () => {
    const { status, code, error } = await server.client.send("/v1/functions/text/profile", {
      method: "POST",
      body: JSON.stringify({ device: "cpu0" }),
    });
    expect({ status, code }).toEqual({ status: 415, code: "UNSUPPORTED" });
    expect(error).toContain("CPU lane");
  });
});
