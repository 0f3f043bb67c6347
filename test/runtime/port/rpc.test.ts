import { describe, expect, test, vi } from "vitest";
import { DawnletError } from "../../../kernels/errors.ts";
import { MessagePortPort } from "../../../runtime/port/message-port.ts";
import type { Port } from "../../../runtime/port/port.ts";
import { RpcClient, type RpcClientOptions } from "../../../runtime/port/rpc-client.ts";
import { type RpcHandlers, serveRpc } from "../../../runtime/port/rpc-server.ts";
import { loopback } from "./loopback.ts";

const carriers: Record<string, () => { left: Port; right: Port }> = {
  "a socket": () => loopback(),
  "a MessagePort": () => {
    const { port1, port2 } = new MessageChannel();
    return { left: new MessagePortPort(port1), right: new MessagePortPort(port2) };
  },
};

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe.for(Object.entries(carriers))("calls over %s", ([, connect]) => {
  const open = (handlers: RpcHandlers, options?: RpcClientOptions): { client: RpcClient; server: Port } => {
    const { left, right } = connect();
    serveRpc(right, handlers);
    return { client: new RpcClient(left, options), server: right };
  };

  test("bring params and attachments there, result and attachments back", async () => {
    const { client } = open({
      double: (params, attachments) => ({
        result: { was: params },
        attachments: attachments.map((bytes) => bytes.map((byte) => byte * 2)),
      }),
    });
    const sent = [new Uint8Array([1, 2]), new Uint8Array(), new Uint8Array(9000).fill(7)];
    const { result, attachments } = await client.call("double", { a: [null, "é"] }, sent);
    expect(result).toEqual({ was: { a: [null, "é"] } });
    expect(attachments.map((bytes) => bytes.length)).toEqual([2, 0, 9000]);
    expect([...attachments[0]!]).toEqual([2, 4]);
    expect(attachments[2]!.every((byte) => byte === 14)).toBe(true);
    // The caller keeps what it has not given away.
    expect(sent[2]!.length).toBe(9000);
    client.close();
  });

  test("keep attachments apart where many calls travel together", async () => {
    const { client } = open({ echo: async (params, attachments) => ({ result: params, attachments }) });
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => {
        const attachments = Array.from({ length: index % 4 }, (_, part) =>
          new Uint8Array(index + 1).fill(part),
        );
        return client.call("echo", index, attachments);
      }),
    );
    replies.forEach(({ result, attachments }, index) => {
      expect(result).toBe(index);
      expect(attachments).toHaveLength(index % 4);
      for (const [part, bytes] of attachments.entries())
        expect([...bytes]).toEqual(Array(index + 1).fill(part));
    });
    client.close();
  });

  test("keep the code and message of an error, and call any other error INTERNAL", async () => {
    const { client } = open({
      refuse: () => {
        throw new DawnletError("QUEUE_FULL", "Cannot queue 'x'");
      },
      crash: async () => {
        throw new TypeError("oops");
      },
    });
    await expect(client.call("refuse")).rejects.toMatchObject({
      name: "DawnletError",
      code: "QUEUE_FULL",
      message: "Cannot queue 'x'",
    });
    await expect(client.call("crash")).rejects.toMatchObject({ code: "INTERNAL", message: "oops" });
    client.close();
  });

  test("reach own methods only", async () => {
    const handlers: RpcHandlers = Object.assign(Object.create({ inherited: () => ({ result: 1 }) }), {
      own: () => ({ result: "own" }),
    });
    const { client } = open(handlers);
    for (const method of ["inherited", "toString", "constructor", "__proto__", "hasOwnProperty", ""]) {
      await expect(client.call(method)).rejects.toMatchObject({ code: "NOT_FOUND" });
    }
    expect((await client.call("own")).result).toBe("own");
    client.close();
  });

  test("report progress in order, and all of it before the result", async () => {
    const { client } = open({
      build: async (_params, _attachments, { progress }) => {
        progress("one");
        progress("two");
        await turn();
        progress({ three: 3 });
        return { result: "done" };
      },
    });
    const seen: unknown[] = [];
    const { result } = await client.call("build", null, [], { onProgress: (value) => seen.push(value) });
    expect(result).toBe("done");
    expect(seen).toEqual(["one", "two", { three: 3 }]);
    client.close();
  });

  test("are cancelled by the caller's signal, there and here", async () => {
    const aborted = vi.fn();
    const { client } = open({
      wait: (_params, _attachments, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            aborted();
            reject(signal.reason);
          });
        }),
    });
    const controller = new AbortController();
    const call = client.call("wait", null, [], { signal: controller.signal });
    await turn();
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    await vi.waitFor(() => expect(aborted).toHaveBeenCalledOnce());
    client.close();
  });

  test("that are cancelled before they leave are never made", async () => {
    const handler = vi.fn(() => ({}));
    const { client } = open({ never: handler, other: () => ({ result: 1 }) });
    const controller = new AbortController();
    const call = client.call("never", null, [], { signal: controller.signal });
    controller.abort(new DawnletError("DEADLINE_EXCEEDED", "too late"));
    await expect(call).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", message: "too late" });
    await expect(client.call("never", null, [], { signal: controller.signal })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    await client.call("other");
    expect(handler).not.toHaveBeenCalled();
    client.close();
  });

  test("end with DEADLINE_EXCEEDED after AbortSignal.timeout", async () => {
    const { client } = open({ wait: () => new Promise(() => {}) });
    const call = client.call("wait", null, [], { signal: AbortSignal.timeout(10) });
    await expect(call).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    client.close();
  });

  test("fail with the client's code once the Port has closed, and tell the handlers", async () => {
    const aborted = vi.fn();
    const { client, server } = open(
      {
        wait: (_params, _attachments, { signal }) => {
          signal.addEventListener("abort", aborted);
          return new Promise(() => {});
        },
      },
      { closedCode: "DEVICE_LOST", peer: "the device process" },
    );
    const call = client.call("wait");
    await turn();
    server.close();
    await expect(call).rejects.toMatchObject({
      code: "DEVICE_LOST",
      message: "Cannot finish 'wait' as the connection to the device process has closed",
    });
    await expect(client.call("wait")).rejects.toMatchObject({ code: "DEVICE_LOST" });
    await client.closed;
    await vi.waitFor(() => expect(aborted).toHaveBeenCalledOnce());
  });

  test("of one turn are all started before any of them goes on", async () => {
    const order: string[] = [];
    const { client } = open({
      step: async (params) => {
        order.push(`start ${params}`);
        await Promise.resolve();
        order.push(`end ${params}`);
        return {};
      },
    });
    await Promise.all([client.call("step", 1), client.call("step", 2), client.call("step", 3)]);
    expect(order).toEqual(["start 1", "start 2", "start 3", "end 1", "end 2", "end 3"]);
    client.close();
  });

  test("with params or results that are no JSON fail alone", async () => {
    const { client } = open({
      good: () => ({ result: 1 }),
      bad: () => ({ result: 1n }),
      badProgress: (_params, _attachments, { progress }) => {
        progress(1n);
        return {};
      },
    });
    const [good, param, bad, badProgress] = await Promise.allSettled([
      client.call("good"),
      client.call("good", 1n),
      client.call("bad"),
      client.call("badProgress"),
    ]);
    expect(good).toMatchObject({ status: "fulfilled", value: { result: 1 } });
    for (const outcome of [param, bad, badProgress]) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "INTERNAL" } });
    }
    client.close();
  });
});

describe("calls over a socket", () => {
  test("leave as one write for each turn", async () => {
    const { left, right, leftWrites } = loopback();
    serveRpc(right, { echo: (params) => ({ result: params }) });
    const client = new RpcClient(left);
    await Promise.all([client.call("echo", 1), client.call("echo", 2), client.call("echo", 3)]);
    expect(leftWrites()).toBe(1);
    await client.call("echo", 4);
    expect(leftWrites()).toBe(2);
  });

  test("come back as one write where the handlers end together", async () => {
    const { left, right, leftWrites } = loopback();
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    serveRpc(left, {
      wait: async () => {
        await ready;
        return { result: 1 };
      },
    });
    const client = new RpcClient(right);
    const calls = Promise.all([client.call("wait"), client.call("wait"), client.call("wait")]);
    await turn();
    expect(leftWrites()).toBe(0);
    resolve();
    await calls;
    expect(leftWrites()).toBe(1);
  });

  test("end when the peer sends something else, and only then", async () => {
    const { left, right } = loopback();
    const client = new RpcClient(left);
    const call = client.call("any");
    right.send({ header: { progress: [], replies: [] }, attachments: [] });
    await turn();
    right.send({ header: { replies: "no" }, attachments: [] });
    await expect(call).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await right.closed;
  });

  test("end when the peer sends bytes that are no frames", async () => {
    const { left, injectLeft } = loopback();
    const client = new RpcClient(left);
    const call = client.call("any");
    injectLeft(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
    await expect(call).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("are refused where they contradict themselves", async () => {
    for (const header of [
      null,
      { calls: [], cancels: ["x"] },
      { calls: [[1, "echo", null, 1]], cancels: [] },
      { calls: [[1, "echo", null, -1]], cancels: [] },
      { calls: [["a", "echo", null, 0]], cancels: [] },
      { calls: [[1, null, null, 0]], cancels: [] },
    ]) {
      const { left, right } = loopback();
      const handler = vi.fn(() => ({}));
      serveRpc(right, { echo: handler });
      left.send({ header, attachments: [] });
      await right.closed;
      expect(handler).not.toHaveBeenCalled();
    }
  });
});

describe("a MessagePort's Port", () => {
  const pair = (): { left: Port; right: Port } => carriers["a MessagePort"]!();

  test("moves what is given away and copies the rest, a part of a buffer included", async () => {
    const { left, right } = pair();
    const given = new Uint8Array(100).fill(1);
    const kept = new Uint8Array(100).fill(2);
    const part = new Uint8Array(1000).fill(3).subarray(10, 20);
    const got = new Promise<readonly Uint8Array[]>((resolve) =>
      right.receive((message) => resolve(message.attachments)),
    );
    left.send({ header: 0, attachments: [given, kept, part, given], given: [given, part] });
    const attachments = await got;
    expect(attachments.map((bytes) => [bytes.length, bytes[0], bytes.buffer.byteLength])).toEqual([
      [100, 1, 100],
      [100, 2, 100],
      [10, 3, 10],
      [100, 1, 100],
    ]);
    expect([given.length, kept.length, part.length]).toEqual([0, 100, 10]);
    left.close();
    await right.closed;
  });

  test("keeps messages until there is a receiver", async () => {
    const { left, right } = pair();
    left.send({ header: 1, attachments: [] });
    left.send({ header: 2, attachments: [] });
    await turn();
    const got: unknown[] = [];
    right.receive((message) => got.push(message.header));
    expect(got).toEqual([1, 2]);
    left.close();
  });
});

test("a peer that has more calls running than it may, or sends more at once, is cut off", async () => {
  const isCutOff = async (batches: readonly number[]): Promise<boolean> => {
    const { left, right } = loopback();
    serveRpc(right, { wait: () => new Promise(() => {}) }, { maxCalls: 4 });
    let isClosed = false;
    left.closed.then(() => {
      isClosed = true;
    });
    let id = 1;
    for (const calls of batches) {
      const entries = Array.from({ length: calls }, () => [id++, "wait", null, 0]);
      left.send({ header: { calls: entries, cancels: [] }, attachments: [] });
      await turn();
    }
    const wasClosed = isClosed;
    left.close();
    return wasClosed;
  };
  expect(await isCutOff([5])).toBe(true);
  expect(await isCutOff([3, 2])).toBe(true);
  expect(await isCutOff([2, 2])).toBe(false);
});
