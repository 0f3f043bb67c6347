/**
 * Each limit of a handler: the call that goes over it fails and says which it was, the instance is replaced where it must
 * be, and calls of others that were under way are answered.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { hasProc, isRunning } from "./child-processes.ts";
import { handlerWorld, refusalOf } from "./handler-world.ts";

const mebibyte = 2 ** 20;
const world = handlerWorld({ handlerLimits: { memoryBytes: 512 * mebibyte, requestBytes: 2 * mebibyte } });
afterEach(() => world.checkNeighbour());

/** Runs the code that it is sent; says by which instance an answer is. */
const runner = `
  const AsyncFunction = (async () => {}).constructor;
  const instance = crypto.randomUUID();
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  export default {
    async fetch(request, env, ctx) {
      const code = request.headers.get("x-code") ?? await request.text();
      const answer = await new AsyncFunction("request", "env", "ctx", "pause", "instance", code)(request, env, ctx, pause, instance);
      return answer instanceof Response ? answer : new Response(String(answer ?? instance));
    },
  };`;

const deploy = (name: string, limits: Readonly<Record<string, number>>) =>
  world.deploy(name, runner, { limits });
const run = (name: string, code: string) => world.call(name, { method: "POST", body: code });
const answer = async (name: string, code = "return instance") => {
  const response = await run(name, code);
  expect(response.status, await response.clone().text()).toBe(200);
  return response.text();
};

/** A call of another handler that is under way meanwhile is answered. */
async function besideOthers(work: () => Promise<void>): Promise<void> {
  const slow = run("bystander", "await pause(1500); return 'unharmed'");
  await work();
  expect(await (await slow).text()).toBe("unharmed");
}

beforeAll(() => deploy("bystander", {}));

// They use no processor: beside each other they take no longer than the longest of them.
describe.concurrent("limits of time while nothing is computed", () => {
  test("timeoutMs ends a call that waits for ever; others of the same instance go on", async () => {
    await deploy("waits", { timeoutMs: 3000 });
    const first = await answer("waits");
    await besideOthers(async () => {
      const slow = run("waits", "await pause(1000); return instance");
      const late = await refusalOf(await run("waits", "await new Promise(() => {})"));
      expect(late).toMatchObject({ status: 504, code: "DEADLINE_EXCEEDED" });
      expect(late.error).toContain("timeoutMs");
      expect(await (await slow).text()).toBe(first);
    });
    expect(await answer("waits")).toBe(first);
  });

  test("timeoutMs breaks a stream off that never ends", async () => {
    await deploy("streams", { timeoutMs: 3000 });
    const endless = `return new Response(new ReadableStream({ async pull(c) { await pause(20); c.enqueue(new Uint8Array(100)); } }))`;
    const response = await run("streams", endless);
    expect(response.status).toBe(200);
    await expect(response.bytes()).rejects.toThrow();
    expect(await answer("streams", "return 2")).toBe("2");
  });

  test("timeoutMs counts the time that a call waits for a place", async () => {
    await deploy("narrow", { timeoutMs: 4000, concurrency: 1, instances: 1 });
    await answer("narrow");
    const running = run("narrow", "await pause(3000); return 1");
    const waiting = await Promise.all([1, 2, 3].map(() => run("narrow", "await pause(3000); return 1")));
    expect((await running).status).toBe(200);
    for (const late of waiting) expect((await refusalOf(late)).error).toContain("timeoutMs");
  });

  test("a process that waits without using the processor is replaced after a call has timed out", async ({
    expect,
  }) => {
    await deploy("stuck", { timeoutMs: 3000 });
    const first = await answer("stuck");
    const late = await refusalOf(
      await run("stuck", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); return 1"),
    );
    expect(late.error).toContain("timeoutMs");
    await expect.poll(() => answer("stuck").catch(() => first), { timeout: 20_000 }).not.toBe(first);
  });

  test("work that was given to waitUntil keeps its instance, until that takes too long as well", async ({
    expect,
  }) => {
    await deploy("tidies", { idleMs: 300, timeoutMs: 6000 });
    const first = await answer(
      "tidies",
      "ctx.waitUntil(pause(4000).then(() => { globalThis.tidied = true; })); return instance",
    );
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await answer("tidies")).toBe(first);
    const for_ever = await answer("tidies", "ctx.waitUntil(new Promise(() => {})); return instance");
    await expect
      .poll(
        async () => {
          await new Promise((resolve) => setTimeout(resolve, 2500));
          return answer("tidies");
        },
        { timeout: 40_000 },
      )
      .not.toBe(for_ever);
  });
});

describe("limits of the processor's time", () => {
  const loops: ReadonlyArray<readonly [what: string, code: string]> = [
    ["a loop", "for (;;);"],
    ["promises that follow each other", "for (;;) await null"],
    ["a regular expression", `/^(a+)+$/.test("a".repeat(60) + "b")`],
    ["work in slices", "for (;;) { for (let i = 0; i < 1e7; i++); await pause(0); }"],
  ];

  test.each(loops)("cpuMs ends %s, and the instance with it", async (_, code) => {
    await deploy("computes", { cpuMs: 400 });
    const first = await answer("computes");
    await besideOthers(async () => {
      const over = await refusalOf(await run("computes", code));
      expect(over).toMatchObject({ status: 503, code: "FUNCTION_LIMIT" });
      expect(over.error).toContain("cpuMs");
    });
    expect(await answer("computes")).not.toBe(first);
  });

  test("cpuMs counts a loop once, however many calls share its process", async () => {
    await deploy("shared", { cpuMs: 400, timeoutMs: 20_000 });
    await answer("shared");
    const waiting = Array.from({ length: 12 }, () => run("shared", "await pause(10_000)"));
    const over = await refusalOf(await run("shared", "await pause(100); for (;;);"));
    expect(over.error).toContain("cpuMs");
    for (const other of waiting) expect((await refusalOf(await other)).error).toContain("cpuMs");
  });

  test("less than cpuMs passes, again and again", async () => {
    await deploy("moderate", { cpuMs: 1000 });
    const busy = (ms: number) =>
      `const end = performance.now() + ${ms}; while (performance.now() < end); return instance`;
    // Those that come together may be worked on in one turn of the handler's event loop.
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => answer("moderate", busy(100))));
    for (let i = 0; i < 4; i++) answers.push(await answer("moderate", busy(250)));
    expect(new Set(answers).size).toBe(1);
  });

  test("cpuMs ends a loop that a timer begins after the answer, before anybody asks again", async () => {
    const before = world.pids.length;
    await deploy("later", { cpuMs: 300 });
    const first = await answer("later", "setTimeout(() => { for (;;); }, 300); return instance");
    const pids = world.pids.slice(before);
    await expect.poll(() => answer("later"), { timeout: 20_000 }).not.toBe(first);
    expect(pids.length).toBeGreaterThan(0);
  });

  test("a module that never gets to its end is not deployed", async () => {
    const over = await refusalOf(
      await world.tryDeploy("endless", "for (;;); export default { fetch() {} };", {
        limits: { cpuMs: 300 },
      }),
    );
    expect(over).toMatchObject({ code: "FUNCTION_LIMIT" });
    expect(over.error).toContain("cpuMs");
  });
});

describe("limits of memory and bytes", () => {
  const bombs: ReadonlyArray<readonly [what: string, code: string]> = [
    ["buffers", "const all = []; for (;;) { all.push(new Uint8Array(8e6).fill(1)); await pause(5); }"],
    ["buffers without a pause", "const all = []; for (;;) all.push(new Uint8Array(8e6).fill(1));"],
    [
      "strings",
      "const all = []; for (let i = 0; ; i++) { all.push(('x' + i).repeat(1e6).split('').join('')); await pause(1); }",
    ],
    ["objects", "let all = {}; for (;;) { for (let i = 0; i < 1e5; i++) all = { all, i }; await pause(1); }"],
  ];

  test.each(bombs)("memoryBytes ends an instance that fills memory with %s", async (what, code) => {
    await deploy("hoards", { memoryBytes: 200 * mebibyte });
    const first = await answer("hoards");
    await besideOthers(async () => {
      const over = await refusalOf(await run("hoards", code));
      expect(over.status).toBe(503);
      // V8 may be faster to end the process, as its heap has the same limit.
      if (what.startsWith("buffers")) {
        expect(over.code).toBe("FUNCTION_LIMIT");
        expect(over.error).toContain("memoryBytes");
      } else expect(over.code).toMatch(/FUNCTION_LIMIT|UNAVAILABLE/);
    });
    expect(await answer("hoards")).not.toBe(first);
  });

  test("memoryBytes ends an instance that fills memory while it has no request", async () => {
    await deploy("hoards-later", { memoryBytes: 200 * mebibyte });
    const hoard =
      "const all = []; setInterval(() => all.push(new Uint8Array(8e6).fill(1)), 10); return instance";
    const first = await answer("hoards-later", hoard);
    await expect.poll(() => answer("hoards-later").catch(() => first), { timeout: 20_000 }).not.toBe(first);
  });

  test("a module that fills memory is not deployed", async () => {
    const over = await refusalOf(
      await world.tryDeploy(
        "bomb",
        "const all = []; for (;;) { all.push(new Uint8Array(8e6).fill(1)); await new Promise((r) => setTimeout(r, 5)); } export default { fetch() {} };",
        { limits: { memoryBytes: 200 * mebibyte } },
      ),
    );
    expect(over.code).toBe("FUNCTION_LIMIT");
    expect(over.error).toContain("memoryBytes");
  });

  test("requestBytes refuses a body, whether its length is said or not", async () => {
    await deploy("takes", { requestBytes: mebibyte });
    const send = (bytes: number, init: RequestInit = {}) =>
      world.call("takes", {
        method: "POST",
        headers: { "x-code": "return (await request.bytes()).length" },
        body: new Uint8Array(bytes),
        ...init,
      });
    const streamed = (bytes: number) =>
      send(0, { body: new Blob([new Uint8Array(bytes)]).stream(), duplex: "half" } as RequestInit);
    for (const sending of [send(mebibyte), streamed(mebibyte)])
      expect(await (await sending).text()).toBe(String(mebibyte));
    for (const sending of [() => send(mebibyte + 1), () => streamed(4 * mebibyte)]) {
      const over = await sending().then(refusalOf, () => undefined);
      // The server may close the connection while the client still sends.
      if (over !== undefined) {
        expect(over).toMatchObject({ status: 413, code: "PAYLOAD_TOO_LARGE" });
        expect(over.error).toContain("requestBytes");
      }
    }
    expect((await refusalOf(await send(mebibyte + 1))).error).toContain("requestBytes");
  });

  test("responseBytes ends an answer that is larger", async () => {
    await deploy("answers", { responseBytes: 100_000 });
    expect((await answer("answers", "return 'x'.repeat(100_000)")).length).toBe(100_000);
    const over = await refusalOf(await run("answers", "return 'x'.repeat(100_001)"));
    expect(over).toMatchObject({ status: 503, code: "FUNCTION_LIMIT" });
    expect(over.error).toContain("responseBytes");
    const endless =
      "return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(10_000)); } }))";
    await expect(run("answers", endless).then((response) => response.bytes())).rejects.toThrow();
    expect(await answer("answers", "return 3")).toBe("3");
  });

  test("a manifest cannot state more than the server allows", async () => {
    const over = await refusalOf(
      await world.tryDeploy("greedy", runner, { limits: { memoryBytes: 1024 * mebibyte } }),
    );
    expect(over).toMatchObject({ status: 400, code: "INVALID_BUNDLE" });
    expect(over.error).toContain("limits.memoryBytes");
  });
});

describe("limits of number", () => {
  const counting =
    "globalThis.now = (globalThis.now ?? 0) + 1; const seen = globalThis.now; await pause(400); globalThis.now--; return instance + ' ' + seen";

  test("concurrency and instances are kept; what is more waits, and then is refused with a time to try again", async () => {
    await deploy("crowded", { concurrency: 2, instances: 2 });
    const answers = await Promise.all(Array.from({ length: 12 }, () => answer("crowded", counting)));
    const seen = answers.map((text) => text.split(" "));
    expect(new Set(seen.map(([instance]) => instance)).size).toBeLessThanOrEqual(2);
    expect(Math.max(...seen.map(([, count]) => Number(count)))).toBe(2);
    // Four run, and eight times as many wait.
    const crowd = await Promise.all(
      Array.from({ length: 60 }, () => run("crowded", "await pause(300); return 1")),
    );
    const refused = crowd.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThanOrEqual(60 - 36);
    for (const one of refused) {
      expect(one.headers.get("retry-after")).toBe("1");
      expect(await refusalOf(one)).toMatchObject({ status: 503, code: "QUEUE_FULL" });
    }
  });

  test.skipIf(!hasProc)("idleMs ends all instances; the next call starts another (needs /proc)", async () => {
    await deploy("idle", { idleMs: 500, concurrency: 1, instances: 2 });
    const before = new Set(world.pids);
    const [one, two] = await Promise.all(
      [1, 2].map(() => answer("idle", "await pause(2500); return instance")),
    );
    expect(one).not.toBe(two);
    const statusOf = async () => {
      const response = await fetch(`${world.url}/v1/functions/idle/program`, {
        headers: { authorization: world.authorization.stranger },
      });
      return (await response.json()).program?.instances;
    };
    // Those that wait for a handler are not the function's.
    const running = () => world.pids.filter((pid) => !before.has(pid) && isRunning(pid)).length;
    await expect.poll(statusOf, { timeout: 10_000 }).toBe(0);
    await expect.poll(running, { timeout: 10_000 }).toBeLessThanOrEqual(1);
    expect(await answer("idle")).not.toBe(one);
  });
});

describe("what ends without a limit", () => {
  test("errors that nobody catches are no end: the instance goes on", async () => {
    await deploy("careless", {});
    const first = await answer(
      "careless",
      "setTimeout(() => { throw new Error('in a timer'); }, 10); await pause(100); return instance",
    );
    expect(
      await answer("careless", "Promise.reject(new Error('of nobody')); await pause(100); return instance"),
    ).toBe(first);
    expect(await answer("careless")).toBe(first);
  });

  test("a process that ends itself is replaced, and its calls say so", async () => {
    await deploy("exits", {});
    const first = await answer("exits");
    const exit = `const { default: own } = await new AsyncFunction('return import("node:" + "process")')(); (own.reallyExit ?? own.exit).call(own, 0); await pause(5000)`;
    const code = `const AsyncFunction = (async () => {}).constructor; ${exit}`;
    const gone = await refusalOf(await run("exits", code));
    // Deno's own module fails in this scope: then nothing has ended.
    if (gone.code === "FUNCTION_FAILED") expect(await answer("exits")).toBe(first);
    else {
      expect(gone).toMatchObject({
        status: 503,
        code: "UNAVAILABLE",
        error: expect.stringContaining("ended while it worked"),
      });
      expect(await answer("exits")).not.toBe(first);
    }
  });

  test("a million lines of the log hold up nobody, and are not all kept", async () => {
    await deploy("talks", {});
    const talking = run(
      "talks",
      "for (let i = 0; i < 1000; i++) { for (let j = 0; j < 1000; j++) console.log('line ' + i); await pause(0); } return 'said'",
    );
    await world.checkNeighbour();
    expect(await (await talking).text()).toBe("said");
  });
});
