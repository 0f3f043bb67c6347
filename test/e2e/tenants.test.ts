/** Two tenants and the operator on one gateway: each deploys, calls and lists, and sees nothing of the others. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { Registry } from "../../gateway/functions/registry.ts";
import { functionsFor } from "../../gateway/functions/tenant-functions.ts";
import { comparable, routesByName } from "../gateway/api/routes-by-name.ts";
import { countingModel, endless } from "./endless-model.ts";
import { gatewayFor } from "./running-gateway.ts";
import { shaderBundle, timesModel, timesShader, trapShader } from "./small-functions.ts";
import { zipped } from "./zipped.ts";

const tokens = { acme: "token-of-acme-00", beta: "token-of-beta-00", operator: "token-of-operator" };
type Who = keyof typeof tokens;

const tenants = (["acme", "beta"] as const).map((name) => ({ name, token: tokens[name] }));
const running = gatewayFor("each test", { tenants, token: tokens.operator });

const as = (who: Who, path: string, init: RequestInit = {}) =>
  fetch(running.gateway.url + path, {
    ...init,
    headers: { ...init.headers, authorization: `Bearer ${tokens[who]}` },
  });
const json = async (who: Who, path: string, init?: RequestInit) => (await as(who, path, init)).json();
const deploy = (who: Who, name: string, body: Uint8Array<ArrayBuffer> | string) =>
  as(who, `/v1/functions/${name}`, { method: "PUT", body });
const put = (who: Who, name: string, factor: number) => deploy(who, name, timesShader(factor));
const call = async (who: Who, name: string) => {
  const response = await as(who, `/function/${name}`, { method: "POST", body: '{"x":[1,2]}' });
  return response.ok ? (await response.json()).y : response.status;
};
const namesOf = async (who: Who) =>
  (await json(who, "/v1/functions")).functions.map(({ name }: { name: string }) => name);

/** An object of a class, with some of its methods and properties in place of its own. */
function overridden<T extends object>(object: T, overrides: Partial<T>): T {
  return new Proxy(object, {
    get(target, key) {
      if (Object.hasOwn(overrides, key)) return Reflect.get(overrides, key);
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("two tenants", () => {
  it("deploy, call and list their own; the operator sees all, also after a restart", async () => {
    // The same bytes: what is stored and on the device is shared, and nobody is told.
    for (const [who, name] of [
      ["acme", "one"],
      ["beta", "two"],
    ] as const) {
      const response = await put(who, name, 3);
      expect(response.status).toBe(201);
      expect(await response.json()).toMatchObject({
        changed: true,
        function: { tenant: who, current: { version: 1 } },
      });
    }
    expect((await put("operator", "ours", 3)).status).toBe(201);
    const check = async () => {
      expect(await namesOf("acme")).toEqual(["one"]);
      expect(await namesOf("beta")).toEqual(["two"]);
      expect(await namesOf("operator")).toEqual(["one", "ours", "two"]);
      expect([await call("acme", "one"), await call("beta", "two")]).toEqual([
        [3, 6],
        [3, 6],
      ]);
      for (const name of ["one", "two", "ours"]) expect(await call("operator", name)).toEqual([3, 6]);
      for (const name of ["two", "ours"]) expect(await call("acme", name)).toBe(404);
    };
    await check();
    await running.restart();
    await check();
    for (const path of ["/metrics", "/v1/devices"]) {
      expect((await as("acme", path)).status).toBe(403);
      expect((await as("operator", path)).status).toBe(200);
    }
  });

  it("answer each other's names as names that there are not, on every route, byte for byte", async () => {
    expect((await put("acme", "thing", 3)).status).toBe(201);
    const secret = { method: "PUT", body: "value" };
    expect((await as("acme", "/v1/functions/thing/secrets/KEY", secret)).status).toBe(204);
    const unknown = routesByName("niece");
    for (const [index, { path, ...init }] of routesByName("thing").entries()) {
      const what = `${init.method} ${path} ${init.body ?? ""}`;
      const expected = await comparable(await as("beta", unknown[index]!.path, init), "niece");
      expect(expected.status, what).toBeGreaterThanOrEqual(400);
      expect(await comparable(await as("beta", path, init), "thing"), what).toEqual(expected);
    }
    const { secrets } = await json("acme", "/v1/functions/thing/secrets");
    expect(secrets).toMatchObject([{ name: "KEY" }]);
    expect(await call("acme", "thing")).toEqual([3, 6]);
    // Of the same requests those that are for what is there and right do something for its tenant.
    const statuses = [];
    for (const { path, ...init } of routesByName("thing")) {
      const response = await as("acme", path, init);
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    expect(statuses.filter((status) => status < 300).length).toBeGreaterThan(20);
    expect(await namesOf("operator")).toEqual([]);
  });

  it("cannot take each other's names, at once neither, and can when they are free again", async () => {
    const both = await Promise.all([put("acme", "thing", 3), put("beta", "thing", 5)]);
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    const [winner, loser] =
      both[0].status === 201 ? (["acme", "beta"] as const) : (["beta", "acme"] as const);
    const answer = await call(winner, "thing");
    expect(answer).toEqual(winner === "acme" ? [3, 6] : [5, 10]);
    expect(await call(loser, "thing")).toBe(404);
    // What the operator deploys stays who owned it's.
    expect((await put("operator", "thing", 7)).status).toBe(200);
    expect([await call(winner, "thing"), await call(loser, "thing")]).toEqual([[7, 14], 404]);
    expect((await as(winner, "/v1/functions/thing", { method: "DELETE" })).status).toBe(204);
    const again = await put(loser, "thing", 7);
    expect([again.status, await again.json()]).toMatchObject([
      201,
      { changed: true, function: { tenant: loser, current: { version: 1 } } },
    ]);
    expect([await call(winner, "thing"), await call(loser, "thing")]).toEqual([404, [7, 14]]);
  });

  it("do nothing to what another deploys under a name of theirs that is being removed", async () => {
    const { backends } = running.gateway;
    const { functions, blobs } = backends.store;
    const removing = Promise.withResolvers<void>();
    let received: Promise<unknown> = Promise.resolve();
    const store = overridden(backends.store, {
      // A removal stays in its turn until it is let go on.
      functions: overridden(functions, {
        remove: (name) => removing.promise.then(() => functions.remove(name)),
      }),
      blobs: overridden(blobs, {
        putStream: (...upload) => {
          const stored = blobs.putStream(...upload);
          received = stored;
          return stored;
        },
      }),
    });
    const registry = new Registry({ backends: { ...backends, store } });
    const acme = functionsFor(registry, { type: "tenant", name: "acme" });
    const bodyOf = (factor: number) => new Blob([timesShader(factor)]).stream();
    await acme.deploy("thing", { body: bodyOf(3) });
    const removed = acme.remove("thing");
    // As beta's own functions hand it on, where they have looked before acme took the name.
    const deployed = registry.deploy("thing", { body: bodyOf(5), tenant: "beta" });
    await received;
    // By then it waits for its turn.
    await new Promise((resolve) => setTimeout(resolve, 0));
    const late = [
      acme.remove("thing"),
      acme.configure("thing", { priority: 5 }),
      registry.secrets.set("thing", "KEY", "value"),
    ].map((change) => expect(change).rejects.toThrow("There is no function 'thing'"));
    removing.resolve();
    await removed;
    expect((await deployed).function).toMatchObject({ tenant: "beta", current: { version: 1 } });
    await Promise.all(late);
    expect(registry.get("thing")).toMatchObject({ tenant: "beta", memory: { priority: 0 } });
    expect(await registry.secrets.names("thing")).toEqual([]);
    await registry.remove("thing");
  });

  it("have a facade of the registry that functions of theirs call others by", async () => {
    await put("acme", "one", 3);
    await put("beta", "two", 3);
    const { functions } = running.gateway;
    const acme = functionsFor(functions, { type: "tenant", name: "acme" });
    expect(acme.version("one").tenant).toBe("acme");
    expect(() => acme.version("two")).toThrow("There is no function 'two'");
    expect(functionsFor(functions, { type: "operator" })).toBe(functions);
  });
});

describe("secrets", () => {
  const path = "/v1/functions/thing/secrets";
  const secretFile = () => join(running.folder, "secrets", "thing.json");
  const set = (who: Who, key: string, body: string) => as(who, `${path}/${key}`, { method: "PUT", body });

  it("outlive deploys and restarts and go with their function", async () => {
    expect((await set("acme", "KEY", "before")).status).toBe(404);
    await put("acme", "thing", 3);
    expect((await set("acme", "KEY", "s3cret")).status).toBe(204);
    await put("acme", "thing", 5);
    await running.restart();
    const { secrets } = running.gateway.functions;
    expect([...(await secrets.of("thing", "acme"))]).toEqual([["KEY", "s3cret"]]);
    expect((await stat(secretFile())).mode & 0o777).toBe(0o600);
    for (const shown of ["", "/program", "/secrets"]) {
      const text = await (await as("operator", `/v1/functions/thing${shown}`)).text();
      expect(text).toContain(shown === "/secrets" ? "KEY" : "thing");
      expect(text).not.toContain("s3cret");
    }
    expect(await readFile(secretFile(), "utf8")).toContain("s3cret");
    await as("acme", "/v1/functions/thing", { method: "DELETE" });
    expect(await readdir(join(running.folder, "secrets"))).toEqual([]);
    await put("beta", "thing", 5);
    expect(await json("beta", path)).toEqual({ secrets: [] });
  });
});

describe("deploys", () => {
  it("are not kept waiting by each other's models, however long those take", async () => {
    const endlessly = ["a", "b"].map((name) => deploy("acme", name, countingModel(endless, name)));
    for (const each of endlessly) each.catch(() => undefined);
    await vi.waitFor(() => expect(running.started).toContain("compiler"), 10_000);
    expect((await deploy("beta", "model", timesModel(3))).status).toBe(201);
    expect(running.started.filter((kind) => kind === "compiler")).toHaveLength(2);
    // And again, though another of them waits.
    expect((await deploy("beta", "model", timesModel(4))).status).toBe(200);
  });
});

describe("a tenant that loses the device over and over", () => {
  const trap = (salt: number, timeLimitMs = 300) =>
    shaderBundle(`// ${salt}\n${trapShader}`, { timeLimitMs });
  const callWith = async (who: Who, name: string, x: number) => {
    const response = await as(who, `/function/${name}`, { method: "POST", body: JSON.stringify({ x: [x] }) });
    return { status: response.status, ...(await response.json()) };
  };
  const lift = (who: Who, name: string) => as(who, `/v1/functions/${name}/quarantine`, { method: "DELETE" });

  it("has its functions refused, whatever it deploys, until the operator lifts it; nobody else notices", async () => {
    await put("beta", "good", 3);
    await put("acme", "fine", 3);
    for (let version = 1; version <= 2; version++) {
      expect((await deploy("acme", "trap", trap(version))).ok).toBe(true);
      for (let i = 0; i < 3; i++)
        expect(await callWith("acme", "trap", -1)).toMatchObject({ code: "TIME_LIMIT_EXCEEDED" });
      expect(await callWith("acme", "trap", 1)).toMatchObject({ status: 503, code: "QUARANTINED" });
      const lifted = await lift("acme", "trap");
      expect([lifted.status, await lifted.json()]).toMatchObject([403, { code: "FORBIDDEN" }]);
      if (version === 1) {
        // The same bytes do not end it, and its other functions have nothing to do with it yet.
        await deploy("acme", "trap", trap(version));
        expect(await callWith("acme", "trap", 1)).toMatchObject({ code: "QUARANTINED" });
        expect(await call("acme", "fine")).toEqual([3, 6]);
      }
    }
    expect(await call("acme", "fine")).toBe(503);
    expect(await json("acme", "/v1/functions/fine")).toMatchObject({
      current: { quarantine: { strikes: 6, until: expect.any(String) } },
    });
    const refused = await deploy("acme", "new", trap(3));
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: "QUARANTINED" }]);
    expect(await call("beta", "good")).toEqual([3, 6]);
    expect((await lift("operator", "trap")).status).toBe(204);
    expect(await callWith("acme", "trap", 1)).toMatchObject({ status: 200, y: [2] });
    expect(await call("acme", "fine")).toEqual([3, 6]);
    expect((await lift("operator", "trap")).status).toBe(404);
  });

  it("may not state a longer time limit than the operator gives it, and the operator may", async () => {
    const limited = tenants.map((one) => (one.name === "acme" ? { ...one, timeLimitMs: 500 } : one));
    await running.restart({ tenants: limited, token: tokens.operator });
    const statusOf = async (who: Who, name: string, limitMs: number) => {
      const response = await deploy(who, name, trap(limitMs, limitMs));
      return [response.status, ((await response.json()) as { error?: string }).error];
    };
    const refusal = (most: number, name: string) =>
      expect.stringMatching(
        new RegExp(`'timeLimitMs' is ${most + 1}: a run of tenant '${name}' may take ${most} ms`),
      );
    expect(await statusOf("acme", "a", 501)).toEqual([400, refusal(500, "acme")]);
    expect(await statusOf("beta", "b", 60_001)).toEqual([400, refusal(60_000, "beta")]);
    expect(await statusOf("acme", "a", 500)).toEqual([201, undefined]);
    expect(await statusOf("beta", "b", 60_000)).toEqual([201, undefined]);
    expect(await statusOf("operator", "c", 600_000)).toEqual([201, undefined]);
  });

  it("is held to a limit that is newer than its function", async () => {
    const limited = tenants.map((one) => ({ ...one, timeLimitMs: 400 }));
    expect((await deploy("acme", "trap", trap(1, 60_000))).status).toBe(201);
    await running.restart({ tenants: limited, token: tokens.operator });
    const answer = await callWith("acme", "trap", -1);
    expect(answer).toMatchObject({ code: "TIME_LIMIT_EXCEEDED", error: expect.stringContaining("400 ms") });
  });
});

describe("models that cannot be Programs", () => {
  const model = (who: Who, name: string) => deploy(who, name, countingModel("input", name));
  const count = async (who: Who, name: string, rounds: bigint) => {
    const body = `{"inputs": [
      {"name": "x", "shape": [1], "datatype": "FP32", "data": [0.5]},
      {"name": "n", "shape": [1], "datatype": "INT64", "data": [${rounds}]}
    ]}`;
    const response = await as(who, `/v2/models/${name}/infer`, { method: "POST", body });
    return { status: response.status, ...(await response.json()) };
  };

  it("answer one tenant while all of another's are busy without end", { timeout: 120_000 }, async () => {
    for (const name of ["a", "b", "c"]) expect((await model("acme", name)).status).toBe(201);
    expect((await model("beta", "mine")).status).toBe(201);
    const endlessly = ["a", "b", "c", "a", "b", "c"].map((name) => count("acme", name, endless));
    for (const each of endlessly) each.catch(() => undefined);
    const sessions = () => running.started.filter((kind) => kind === "session").length;
    await vi.waitFor(() => expect(sessions()).toBe(2), 10_000);
    expect(await count("beta", "mine", 3n)).toMatchObject({ outputs: [{ data: [3.5] }] });
    expect(await count("beta", "mine", 4n)).toMatchObject({ outputs: [{ data: [4.5] }] });
    // The third of acme's waits for the others of its own.
    expect(sessions()).toBe(3);
  });

  it("have the time that their manifest states, and no strike for what takes longer", async () => {
    const manifest = { kind: "onnx", model: "model.onnx", timeLimitMs: 500 };
    const bundle = await zipped({ "function.json": manifest, "model.onnx": countingModel("input") });
    expect((await deploy("acme", "limited", bundle)).status).toBe(201);
    for (let i = 0; i < 4; i++) {
      const [late, behind] = await Promise.all([
        count("acme", "limited", endless),
        count("acme", "limited", 3n),
      ]);
      expect(late).toMatchObject({
        status: 504,
        code: "TIME_LIMIT_EXCEEDED",
        error: expect.stringMatching(/longer than 500 ms.*'timeLimitMs'/),
      });
      expect(behind).toMatchObject({ status: 200, outputs: [{ data: [3.5] }] });
    }
  });
});
