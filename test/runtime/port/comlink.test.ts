import { expect, test, vi } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { exposeFunctions, give, type Remote, wrapFunctions } from "../../../runtime/port/comlink.ts";

const functions = {
  add: (a: number, b: number) => a + b,
  double: async (bytes: Uint8Array) => ({
    bytes: bytes.map((byte) => byte * 2),
    list: [new Float32Array(3)],
  }),
  length: (bytes: Uint8Array) => bytes.byteLength,
  refuse: () => {
    throw new DawnletError("QUEUE_FULL", "Cannot queue it");
  },
  crash: () => {
    throw new RangeError("oops");
  },
  wait: () => new Promise<void>(() => {}),
  unserializable: () => () => {},
};

function connect(): { remote: Remote<typeof functions>; near: MessagePort; far: MessagePort } {
  const { port1: near, port2: far } = new MessageChannel();
  exposeFunctions(functions, far);
  return { remote: wrapFunctions<typeof functions>(near), near, far };
}

test("exposed functions are called with their arguments and give their results", async () => {
  const { remote, near } = connect();
  expect(await remote.add(2, 3)).toBe(5);
  const kept = new Uint8Array([1, 2]);
  const { bytes, list } = await remote.double(kept);
  expect([...bytes]).toEqual([2, 4]);
  expect(list[0]).toBeInstanceOf(Float32Array);
  expect(kept.byteLength).toBe(2);
  near.close();
});

test("typed arrays of results are moved, those of arguments where they are given", async () => {
  const result = new Uint8Array(1000);
  const { port1: near, port2: far } = new MessageChannel();
  exposeFunctions({ take: () => ({ deep: [result] }), size: functions.length }, far);
  const remote = wrapFunctions<{ take: () => { deep: Uint8Array[] }; size: (bytes: Uint8Array) => number }>(
    near,
  );
  expect((await remote.take()).deep[0]!.byteLength).toBe(1000);
  expect(result.byteLength).toBe(0);
  const given = new Uint8Array(10);
  expect(await remote.size(give(given))).toBe(10);
  expect(given.byteLength).toBe(0);
  near.close();
});

test("errors keep their codes and lose their stacks", async () => {
  const { remote, near } = connect();
  await expect(remote.refuse()).rejects.toMatchObject({ code: "QUEUE_FULL", message: "Cannot queue it" });
  await expect(remote.crash()).rejects.toMatchObject({
    name: "DawnletError",
    code: "INTERNAL",
    message: "oops",
  });
  await expect(remote.unserializable()).rejects.toMatchObject({ code: "INTERNAL" });
  expect(await remote.add(1, 1)).toBe(2);
  near.close();
});

test("calls end when the other side does, those that come later too", async () => {
  const { remote, far } = connect();
  expect(await remote.add(1, 1)).toBe(2);
  const call = expect(remote.wait()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  far.close();
  await call;
  await expect(remote.wait()).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("a client that writes to the port itself reaches the named functions and nothing else", async () => {
  const { port1: near, port2: far } = new MessageChannel();
  const add = vi.fn(functions.add);
  exposeFunctions({ add }, far);
  let nextId = 1;
  const ask = (message: object): Promise<Record<string, unknown>> => {
    const id = `request-${nextId++}`;
    return new Promise((resolve) => {
      const take = ({ data }: MessageEvent): void => {
        if (data.id !== id) return;
        near.removeEventListener("message", take);
        resolve(data);
      };
      near.addEventListener("message", take);
      near.start();
      near.postMessage({ id, ...message });
    });
  };
  const raw = (value: unknown): object => ({ type: "RAW", value });
  const refused = { type: "HANDLER", name: "throw", value: { code: "NOT_FOUND" } };
  const code = [raw("globalThis.wasReached = true")];

  for (const path of [
    ["constructor"],
    ["__proto__"],
    ["toString"],
    ["add", "constructor"],
    ["add", "__proto__", "constructor"],
    ["add", "call"],
    ["add", "apply"],
    ["add", "bind"],
    [],
    [0],
    [["add"]],
    "add",
  ]) {
    expect(await ask({ type: "APPLY", path, argumentList: code })).toMatchObject(refused);
    expect(await ask({ type: "CONSTRUCT", path, argumentList: code })).toMatchObject(refused);
    expect(await ask({ type: "GET", path })).toMatchObject(refused);
    expect(await ask({ type: "SET", path, value: raw(1) })).toMatchObject(refused);
  }
  expect(await ask({ type: "GET", path: ["add"] })).toMatchObject(refused);
  expect(await ask({ type: "SET", path: ["add"], value: raw(1) })).toMatchObject(refused);
  expect(await ask({ type: "CONSTRUCT", path: ["add"], argumentList: [] })).toMatchObject(refused);
  expect(await ask({ type: "ENDPOINT" })).toMatchObject(refused);
  // Wire values that make Comlink run a handler on the exposing side.
  for (const name of ["proxy", "throw", "none"]) {
    const argumentList = [{ type: "HANDLER", name, value: { isError: true, value: {} } }];
    expect(await ask({ type: "APPLY", path: ["add"], argumentList })).toMatchObject(refused);
  }
  expect(await ask({ type: "APPLY", path: ["add"] })).toMatchObject(refused);
  expect(add).not.toHaveBeenCalled();
  expect(globalThis).not.toHaveProperty("wasReached");

  // The control case: what Comlink itself would send.
  const call = { type: "APPLY", path: ["add"], argumentList: [raw(2), raw(3)] };
  expect(await ask(call)).toMatchObject({ type: "RAW", value: 5 });
  near.close();
});

test("what is no request at all is ignored", async () => {
  const { remote, near } = connect();
  for (const message of [null, 1, "text", {}, [], { type: "GET" }]) near.postMessage(message);
  expect(await remote.add(1, 2)).toBe(3);
  near.close();
});
