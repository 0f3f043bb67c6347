/** Several tenants over one `Functions`: what each protocol shows and does to whom. */
import { beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { Secrets } from "../../../gateway/functions/secrets.ts";
import { FunctionLogs } from "../../../gateway/handlers/function-logs.ts";
import { FakeFunctions } from "../fake-functions.ts";
import { measured } from "../scheduler/profile/measured.ts";
import { comparable, routesByName } from "./routes-by-name.ts";

const tokens = { acme: "token-of-acme-00", beta: "token-of-beta-00", operator: "token-of-operator" };
type Who = keyof typeof tokens;

let functions: FakeFunctions;
let app: ReturnType<typeof createApp>;

beforeEach(async () => {
  functions = new FakeFunctions();
  const tenants = (["acme", "beta"] as const).map((name) => ({ name, token: tokens[name] }));
  const secrets = new Secrets({
    records: {
      readOptional: async () => undefined,
      write: async () => {},
      remove: async () => {},
      setAside: async () => {},
    },
    tenantOf: (name) => functions.version(name).tenant,
    change: (_, work) => work(),
    now: () => new Date(),
  });
  const profiles = { stored: async () => measured(), measure: async () => measured() };
  const parts = { functions, secrets, profiles, logs: new FunctionLogs() };
  app = createApp({ ...parts, tenants, token: tokens.operator });
  expect((await as("acme", "/v1/functions/thing", { method: "PUT", body: "bytes" })).status).toBe(201);
});

const as = (who: Who, path: string, init: RequestInit = {}) =>
  app.request(path, { ...init, headers: { ...init.headers, authorization: `Bearer ${tokens[who]}` } });
const json = async (who: Who, path: string, init?: RequestInit) => (await as(who, path, init)).json();

describe("a tenant's function", () => {
  test("answers its tenant and the operator", async () => {
    for (const who of ["acme", "operator"] as const) {
      const answer = await json(who, "/function/thing", { method: "POST", body: '{"x":[1,2]}' });
      expect(answer).toEqual({ y: [1, 2] });
      expect(await json(who, "/v1/functions/thing")).toMatchObject({
        tenant: "acme",
        current: { tenant: "acme" },
      });
    }
    expect(functions.invocations).toHaveLength(2);
  });

  const paths = routesByName("NAME").map(({ method, path, body = "" }) => `${method} ${path} ${body}`);
  test.each(paths.map((name, index) => ({ name, index })))(
    "answers others as what is not there: $name",
    async ({ index }) => {
      functions.quarantine("thing");
      const ask = async (who: Who, name: string) => {
        const { path, ...init } = routesByName(name)[index]!;
        return comparable(await as(who, path, init), name);
      };
      const unknown = await ask("beta", "niece");
      expect(unknown.status).toBeGreaterThanOrEqual(400);
      expect(await ask("beta", "thing")).toEqual(unknown);
      // The operator's own is nobody's either.
      expect(await ask("beta", "image")).toEqual(unknown);
      expect(functions.invocations).toEqual([]);
      for (const name of ["thing", "image"]) expect(functions.get(name).name).toBe(name);
      expect(functions.get("thing").current.quarantine).toBeDefined();
    },
  );

  test("cannot be deployed by others, by neither protocol", async () => {
    const taken = {
      error: "Cannot deploy function 'thing' as the name is taken: use another",
      code: "NAME_TAKEN",
    };
    const put = await as("beta", "/v1/functions/thing", { method: "PUT", body: "bytes" });
    expect([put.status, await put.json()]).toEqual([409, taken]);
    const headers = { accept: "application/x-ndjson" };
    const told = await as("beta", "/v1/functions/thing", { method: "PUT", body: "bytes", headers });
    expect(JSON.parse(await told.text())).toEqual(taken);
    const parameters = { config: "{}", "file:1/model.onnx": btoa("bytes") };
    const load = { method: "POST", body: JSON.stringify({ parameters }) };
    const loaded = await as("beta", "/v2/repository/models/thing/load", load);
    expect([loaded.status, await loaded.json()]).toEqual([409, taken]);
    expect(functions.uploads).toHaveLength(1);
    expect((await as("acme", "/v2/repository/models/thing/load", load)).status).toBe(200);
    expect((await as("beta", "/v2/repository/models/own/load", load)).status).toBe(200);
    expect(functions.get("own").tenant).toBe("beta");
  });
});

describe("lists", () => {
  beforeEach(async () => {
    await as("beta", "/v1/functions/other", { method: "PUT", body: "bytes" });
    await as("beta", "/function/other", { method: "POST", body: '{"x":[1]}' });
  });

  test("of functions, of the repository and of statistics have a tenant's own only", async () => {
    const names = async (who: Who) => ({
      functions: (await json(who, "/v1/functions")).functions.map(({ name }: { name: string }) => name),
      index: (await json(who, "/v2/repository/index", { method: "POST" })).map(
        ({ name }: { name: string }) => name,
      ),
      statistics: (await json(who, "/v2/models/stats")).model_stats.map(({ name }: { name: string }) => name),
    });
    for (const [who, name] of [
      ["acme", "thing"],
      ["beta", "other"],
    ] as const)
      expect(await names(who)).toEqual({ functions: [name], index: [name], statistics: [name] });
    const all = await names("operator");
    for (const list of Object.values(all))
      expect(list).toEqual(expect.arrayContaining(["add", "thing", "other"]));
  });

  test("of one tenant leave the counts of the others", async () => {
    await as("acme", "/v2/models/stats");
    const { model_stats } = await json("beta", "/v2/models/stats");
    expect(model_stats).toMatchObject([{ name: "other", inference_count: 1 }]);
  });
});

test("counts are not those of who had the name and the same bytes before", async () => {
  await as("acme", "/function/thing", { method: "POST", body: '{"x":[1]}' });
  const count = async (who: Who) =>
    (await json(who, "/v2/models/thing/stats")).model_stats[0].inference_count;
  expect(await count("acme")).toBe(1);
  await as("acme", "/v1/functions/thing", { method: "DELETE" });
  await as("beta", "/v1/functions/thing", { method: "PUT", body: "bytes" });
  expect(await count("beta")).toBe(0);
});
