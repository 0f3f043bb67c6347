/** Runs over the protocol of a device process: what client and handlers make of tensors, with no GPU. */
import { beforeEach, expect, test } from "vitest";
import type { DeviceApi, OnLoaded, RunRequest } from "../../../runtime/device/api.ts";
import { DeviceClient, deviceHandlers } from "../../../runtime/device/protocol.ts";
import type { RpcClient } from "../../../runtime/port/rpc-client.ts";
import type { CallContext } from "../../../runtime/port/rpc-server.ts";

const timing = { loadMs: 0, queueMs: 1, encodeMs: 2, executeMs: 3, gpuMs: 2.5 };
const plain = Uint8Array.of(1, 2);
const stays = { tensor: "t3", sizeBytes: 9 };

let requests: RunRequest[];
let sent: unknown[];
/** What bringing weights in took, of runs that wait for them. */
let load: { uploadMs: number; uploadedBytes: number } | undefined;
let handlers: ReturnType<typeof deviceHandlers>;
let client: DeviceClient;

beforeEach(async () => {
  requests = [];
  sent = [];
  load = undefined;
  const device: Partial<DeviceApi> = {
    describe: async () => undefined as never,
    run: async (request: RunRequest, onLoaded?: OnLoaded) => {
      requests.push(request);
      if (load !== undefined) onLoaded?.(load);
      return { outputs: [plain, ...(request.keep ? [stays, plain] : [])] as Uint8Array[], timing };
    },
    readTensor: async (id) => new TextEncoder().encode(id),
  };
  handlers = deviceHandlers(async () => device as DeviceApi);
  await handlers.open!({ budgetBytes: 1, blobFolder: "" }, [], context());
  // What a Port does to parameters and results.
  const call: RpcClient["call"] = async (method, params, attachments = [], options = {}) => {
    sent.push(params);
    const progress = (value: unknown) => options.onProgress?.(JSON.parse(JSON.stringify(value)));
    const outcome = await handlers[method]!(
      JSON.parse(JSON.stringify(params)),
      attachments,
      context(progress),
    );
    const result: unknown = JSON.parse(JSON.stringify(outcome.result ?? null));
    return { result, attachments: outcome.attachments ?? [] };
  };
  client = new DeviceClient({ call } as RpcClient);
});

/** Of a call at the other end. */
function context(progress: CallContext["progress"] = () => {}): CallContext {
  return { progress, signal: new AbortController().signal };
}

test("a run of bytes says no more than its Program", async () => {
  expect(await client.run({ program: "p", inputs: [plain] })).toEqual({ outputs: [plain], timing });
  expect(sent).toEqual(["p"]);
  expect(requests).toEqual([{ program: "p", inputs: [plain] }]);
});

test("tensors and bytes keep their places on the way there and back", async () => {
  const request = { program: "p", inputs: [{ tensor: "t1" }, plain, { tensor: "t2" }], keep: [false, true] };
  expect(await client.run(request)).toEqual({ outputs: [plain, stays, plain], timing });
  expect(requests).toEqual([request]);
  expect(await client.run({ program: "p", inputs: [{ tensor: "t1" }] })).toEqual({
    outputs: [plain],
    timing,
  });
  expect(await client.readTensor("t7")).toEqual(new TextEncoder().encode("t7"));
});

test.each([
  ["of bytes", { program: "p", inputs: [plain] }],
  ["with tensors", { program: "p", inputs: [{ tensor: "t1" }] }],
])("a run %s says what its weights took to come in, where they did", async (_, request: RunRequest) => {
  const loads: unknown[] = [];
  await client.run(request, (one) => loads.push(one));
  expect(loads).toEqual([]);
  load = { uploadMs: 1.5, uploadedBytes: 4096 };
  await client.run(request, (one) => loads.push(one));
  // Whoever does not ask need not listen.
  await client.run(request);
  expect(loads).toEqual([load]);
});

test("a run whose inputs and attachments disagree is refused", async () => {
  const run = async (params: unknown, attachments: readonly Uint8Array[]) =>
    handlers.run!(params, attachments, context());
  const refused = { code: "INVALID_ARGUMENT" };
  await expect(run({ program: "p", inputs: [null, "t1"] }, [])).rejects.toMatchObject(refused);
  await expect(run({ program: "p", inputs: ["t1"] }, [plain])).rejects.toMatchObject(refused);
  await expect(run({ program: "p", inputs: [1] }, [])).rejects.toMatchObject(refused);
  await expect(run({ program: "p", inputs: [], keep: ["all"] }, [])).rejects.toMatchObject(refused);
  await expect(run(null, [])).rejects.toMatchObject(refused);
  expect(requests).toEqual([]);
  expect(await run({ program: "p", inputs: [null, "t1"] }, [plain])).toMatchObject({ attachments: [plain] });
});

test.each([
  ["a run of bytes", { program: "p", inputs: [plain], urgencyMs: 20 }],
  ["a run of bytes with a share", { program: "p", inputs: [plain], share: 2.5 }],
  ["a run with tensors", { program: "p", inputs: [{ tensor: "t1" }], keep: [true], urgencyMs: 0, share: 3 }],
])("%s says how it stands to others", async (_, request: RunRequest) => {
  await client.run(request);
  const { urgencyMs, share } = requests[0]!;
  expect({ urgencyMs, share }).toEqual({ urgencyMs: request.urgencyMs, share: request.share });
});

test.each([
  ["no share", ["p", null, 0]],
  ["a negative urgency", ["p", -1, null]],
  ["something more", ["p", null, null, 1]],
  ["a share that is no number", { program: "p", inputs: [], share: "all" }],
])("a run with %s is refused", async (_, params) => {
  const run = async (given: unknown) => handlers.run!(given, [], context());
  await expect(run(params)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(requests).toEqual([]);
  await run(["p", 1, 2]);
  expect(requests).toMatchObject([{ program: "p", urgencyMs: 1, share: 2 }]);
});
