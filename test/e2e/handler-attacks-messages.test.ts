/**
 * Handlers of a stranger that attack what the gateway hears from their process: forged and malformed messages, numbers
 * that belong to others, floods. The code in a process can make its Port send anything, as that is made of the same
 * JavaScript: by its own JSON.stringify, and under Node by writing to the descriptor as well.
 */
import { afterEach, beforeAll, expect, test } from "vitest";
import { handlerWorld, isNode, refusalOf } from "./handler-world.ts";
import { timesShader } from "./small-functions.ts";

const world = handlerWorld();
afterEach(() => world.checkNeighbour());

/** Runs the code that it is sent, with what it takes to send other messages than the process would, and to see them. */
const stranger = `
  const AsyncFunction = (async () => {}).constructor;
  const load = new AsyncFunction("name", 'return import("node:" + name)');
  const { stringify, parse } = JSON;
  const heard = [];
  JSON.parse = (text, ...more) => {
    const value = parse(text, ...more);
    if (Array.isArray(value) && value[0] === "host") heard.push(...value[1].replies);
    return value;
  };
  /** The next message has this header. */
  const forgeText = (text) => {
    JSON.stringify = () => text;
    try { console.log("x"); } finally { JSON.stringify = stringify; }
  };
  const forge = (header) => forgeText(stringify(header));
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  let id = 1e6;
  let served = 0;
  /** Calls of the host channel as they come. @returns the replies. */
  const ask = async (...calls) => {
    const first = id;
    forge(["host", { calls: calls.map(([method, params = null]) => [id++, method, params, 0]), cancels: [] }]);
    for (let i = 0; i < 100 && heard.filter(([one]) => one >= first).length < calls.length; i++) await pause(20);
    return heard.filter(([one]) => one >= first).map(([, failed, result]) => failed < 0 ? result.code : result);
  };
  export default {
    async fetch(request, env, ctx) {
      // The gateway numbers its requests.
      const own = ++served;
      const code = await request.text();
      const done = await new AsyncFunction("env", "ctx", "load", "forge", "forgeText", "ask", "pause", "own", code)(
        env, ctx, load, forge, forgeText, ask, pause, own);
      return new Response(stringify(done ?? null));
    },
  };`;

beforeAll(async () => {
  const put = await fetch(`${world.url}/v1/functions/double`, {
    method: "PUT",
    headers: { authorization: world.authorization.stranger },
    body: timesShader(2),
  });
  expect(put.status).toBe(201);
  await world.deploy("stranger", stranger, { uses: { double: "double" } });
});

const run = (code: string) => world.call("stranger", { method: "POST", body: code });
const done = async (code: string): Promise<unknown> => {
  const response = await run(code);
  expect(response.status, await response.clone().text()).toBe(200);
  return response.json();
};

test("names of no method of the gateway are not found, whatever objects have of that name", async () => {
  const names = ["constructor", "__proto__", "toString", "hasOwnProperty", "invoke", "end", "x".repeat(1e6)];
  const calls = names.map((name) => `[${JSON.stringify(name)}]`).join(", ");
  expect(await done(`return ask(${calls})`)).toEqual(names.map(() => "NOT_FOUND"));
  // The way itself leads there.
  expect(await done(`return ask(["adapter"])`)).toEqual([
    expect.objectContaining({ limits: expect.anything() }),
  ]);
});

test("numbers of tensors and devices of others mean nothing", async () => {
  const ids = [1, 2, 3, 4, 5, 1e9];
  const calls = ids.map((id) => `["read", ${id}]`).join(", ");
  expect(await done(`return ask(${calls})`)).toEqual(ids.map(() => "NOT_FOUND"));
  const held = `{ use: "double", inputs: [{ name: "x", dataType: "float32", shape: [2], held: 7 }], parameters: {} }`;
  expect(await done(`return ask(["run", ${held}])`)).toEqual(["NOT_FOUND"]);
  // Messages for devices that it has not opened lead nowhere.
  await done(
    `for (const device of [1, 2, 3]) forge(["gpu", { device, data: { batch: [] } }]); await pause(50)`,
  );
  expect(
    await done(
      `const { y } = await env.double.run({ x: new Float32Array(100_000).fill(2) }); return (await y.data())[99_999]`,
    ),
  ).toBe(4);
});

test("functions of others, and those that the manifest does not name, are not run", async () => {
  const params = (use: string) => `{ use: "${use}", inputs: [], parameters: {} }`;
  const calls = ["triple", "sum", "stranger", "__proto__", "constructor"].map(
    (use) => `["run", ${params(use)}]`,
  );
  expect(await done(`return ask(${calls.join(", ")})`)).toEqual(calls.map(() => "NOT_FOUND"));
  expect(await done(`return ask(["model", "triple"])`)).toEqual(["NOT_FOUND"]);
  expect(await done(`return ask(["model", "double"])`)).toEqual([expect.objectContaining({ use: "double" })]);
});

test("files outside of the bundle are not read", async () => {
  const paths = ["../../record.json", "/etc/passwd", "handler.js/..", "__proto__", ""];
  const calls = paths.map((path) => `["file", ${JSON.stringify(path)}]`).join(", ");
  expect(await done(`return ask(${calls})`)).toEqual(paths.map(() => "NOT_FOUND"));
  const assets = [
    "../package.json",
    "ort-wasm-/../../package.json",
    "ort-wasm-x.wasm/../../../../../etc/passwd",
  ];
  const assetCalls = assets.map((path) => `["asset", ${JSON.stringify(path)}]`).join(", ");
  expect(await done(`return ask(${assetCalls})`)).toEqual(assets.map(() => "NOT_FOUND"));
  expect(await done(`return (await ctx.file("handler.js")).length > 100`)).toBe(true);
});

test("keys that reach for prototypes pollute nothing", async () => {
  const evil = `'{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'`;
  const spliced = (text: string) => text.replaceAll("EVIL", `' + ${evil} + '`);
  const messages = [
    spliced(`'["notes",{"type":"log","level":"info","message":"x","fields":EVIL}]'`),
    spliced(`'["notes",{"type":"log","level":"info","message":"x","__proto__":EVIL}]'`),
    spliced(
      `'["host",{"calls":[[9000001,"run",EVIL,0],[9000002,"release",EVIL,0]],"cancels":[],"__proto__":EVIL}]'`,
    ),
    spliced(
      `'["host",{"calls":[[9000003,"run",{"use":"double","inputs":[],"parameters":EVIL},0]],"cancels":[]}]'`,
    ),
    spliced(`'["gpu",{"device":1,"data":EVIL}]'`),
    spliced(`'["control",{"replies":[[9000004,0,EVIL]],"progress":[[1,EVIL]]}]'`),
  ];
  for (const message of messages) await done(`forgeText(${message}); await pause(20)`);
  await done(
    `ctx.log.info("x", JSON.parse(${evil})); return new Response("x", { headers: { "__proto__": "polluted", constructor: "x" } }).status`,
  );
  expect(Reflect.get({}, "polluted")).toBeUndefined();
  expect(Reflect.get(() => 1, "polluted")).toBeUndefined();
});

/** Each ends the process of who sent it, and nothing else. */
const garbage: ReadonlyArray<readonly [what: string, code: string]> = [
  ["of no channel", `forge(["other", {}])`],
  ["of a channel that objects have", `forge(["__proto__", {}])`],
  ["that are no list", `forge({ notes: 1 })`],
  ["that are null", `forge(null)`],
  ["that are no JSON", `forgeText("{")`],
  ["of nesting without end", `forgeText('["notes",' + "[".repeat(1e6) + "]".repeat(1e6) + "]")`],
  ["of notes of no kind", `forge(["notes", { type: "other" }])`],
  ["of lines without end", `forge(["notes", { type: "log", level: "info", message: "x".repeat(1e6) }])`],
  [
    "of fields of a line without end",
    `forge(["notes", { type: "log", level: "info", message: "x", fields: { a: "x".repeat(1e6) } }])`,
  ],
  [
    "of fields of deep nesting",
    `forgeText('["notes",{"type":"log","level":"info","message":"x","fields":{"a":' + "[".repeat(1000) + "]".repeat(1000) + "}}]")`,
  ],
  ["of devices of no number", `forge(["gpu", { device: "1" }])`],
  ["of calls that are none", `forge(["host", { calls: [1], cancels: [] }])`],
  [
    "of calls twice",
    `forge(["host", { calls: [[1, "adapter", null, 0], [1, "adapter", null, 0]], cancels: [] }])`,
  ],
  [
    "of a hundred thousand calls",
    `forge(["host", { calls: Array.from({ length: 1e5 }, (_, i) => [i + 1, "read", 1, 0]), cancels: [] }])`,
  ],
  ["of attachments that are not there", `forge(["host", { calls: [[1, "run", null, 3]], cancels: [] }])`],
  ["of responses to no request", `forge(["http", [["response", -100000, 200, "", [], "none"]]])`],
  [
    "of responses that break a line",
    `forge(["http", [["response", -own, 200, "", [["x", "a\\r\\nset-cookie: b"]], "none"]]])`,
  ],
  [
    "of responses whose status breaks a line",
    `forge(["http", [["response", -own, 200, "a\\r\\nx: y", [], "none"]]])`,
  ],
  ["of responses of no final status", `forge(["http", [["response", -own, 101, "", [], "none"]]])`],
  ["of a body that nobody has credit for", `forge(["http", [["data", 1], ["end", 1]]])`],
];

test.each(garbage)(
  "messages %s end the process that sent them; the next call finds another",
  async (_, code) => {
    await done("return 1");
    const response = await run(`${code}; await pause(5000); return "still there"`);
    expect(await refusalOf(response)).toMatchObject({
      code: expect.stringMatching(/UNAVAILABLE|FUNCTION_FAILED/),
    });
    expect(await done("return 2")).toBe(2);
  },
);

test.skipIf(!isNode)(
  "bytes that are no messages do the same (Node: the descriptor can be written to)",
  async () => {
    const writes = [
      `crypto.getRandomValues(new Uint8Array(4096))`,
      `new Uint8Array(65536).fill(255)`,
      // A frame that announces 200 MB and never comes.
      `new Uint8Array([0, 0, 0, 12, 8, 0, 0, 0])`,
    ];
    for (const bytes of writes) {
      const response = await run(
        `const { writeSync, closeSync } = await load("fs"); writeSync(3, ${bytes}); await pause(100); closeSync(3); await pause(5000); return "still there"`,
      );
      expect(await refusalOf(response)).toMatchObject({ code: "UNAVAILABLE" });
      expect(await done("return 2")).toBe(2);
    }
  },
);

test("a hundred thousand tiny messages are heard, and hold up nobody", async () => {
  const flooding = done(
    `for (let i = 0; i < 1e5; i++) forge(["host", { calls: [], cancels: [] }]); return "sent"`,
  );
  await world.checkNeighbour();
  expect(await flooding).toBe("sent");
});

test("a hundred thousand lines of the log that nobody counted do not either", async () => {
  const line = `["notes", { type: "log", level: "info", message: "line" }]`;
  const flooding = done(
    `for (let i = 0; i < 1e5; i++) { forge(${line}); if (i % 1000 === 0) await pause(1); } return "sent"`,
  );
  await world.checkNeighbour();
  expect(await flooding).toBe("sent");
});

test("calls without end, none waited for, end the instance with an error that says so", async () => {
  const response = await run(
    `const x = new Float32Array(4); for (let i = 0; i < 1e5; i++) env.double.run({ x }).catch(() => {}); await pause(20_000)`,
  );
  expect(await refusalOf(response)).toMatchObject({ status: 503 });
  expect(await done("return 2")).toBe(2);
  // As many as one may ask for at a time.
  const fair = `return (await Promise.all(Array.from({ length: 500 }, () => env.double.run({ x: [1, 2] })))).length`;
  expect(await done(fair)).toBe(500);
});

test("errors that an isolate makes up do not speak for the gateway", async () => {
  const forged = (code: string) =>
    `forge(["http", [["abort", -1, { code: "${code}", message: "made up", details: { isBlamed: true, limit: "cpuMs", digest: "x" } }]]]); await pause(5000)`;
  for (const code of [
    "QUARANTINED",
    "DEVICE_LOST",
    "TIME_LIMIT_EXCEEDED",
    "CORRUPT_DATA",
    "FUNCTION_LIMIT",
    "INTERNAL",
    "NO_SUCH_CODE",
  ]) {
    await world.deploy("liar", stranger);
    for (let i = 0; i < 4; i++) {
      const response = await world.call("liar", {
        method: "POST",
        body: i === 0 ? forged(code) : "return 1",
      });
      if (i === 0)
        expect(await refusalOf(response)).toMatchObject({
          status: 500,
          code: "FUNCTION_FAILED",
          error: "made up",
        });
      else expect(await response.json()).toBe(1);
    }
    const status = await fetch(`${world.url}/v1/functions/liar`, {
      headers: { authorization: world.authorization.stranger },
    });
    const { current } = await status.json();
    expect(current).not.toHaveProperty("quarantine");
    expect(current).not.toHaveProperty("damage");
    await fetch(`${world.url}/v1/functions/liar`, {
      method: "DELETE",
      headers: { authorization: world.authorization.stranger },
    });
  }
});
