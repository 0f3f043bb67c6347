/** Who is who by their token, and what is the operator's alone. */
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { afterEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { createAccessCheck } from "../../../gateway/http/access.ts";
import { FakeFunctions } from "../fake-functions.ts";

const tenants = [
  { name: "acme", token: "token-of-acme-00" },
  { name: "beta", token: "token-of-beta-00" },
];
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const request = (headers: Record<string, string> = {}, origin = "http://localhost") =>
  new Request(`${origin}/v2`, { headers });

describe("createAccessCheck()", () => {
  test("tells the operator and each tenant by their token", () => {
    const access = createAccessCheck({ token: "op", tenants });
    expect(access(request(bearer("op")))).toEqual({ type: "operator" });
    for (const { name, token } of tenants)
      expect(access(request(bearer(token)))).toEqual({ type: "tenant", name });
    expect(access(request(bearer("token-of-beta-00"), "http://gpu.example"))).toMatchObject({ name: "beta" });
    for (const wrong of ["token-of-acme-0", "token-of-acme-000", "", "acme", "undefined"])
      expect(access(request(bearer(wrong)))).toMatchObject({ type: "refused", reply: { status: 401 } });
    expect(access(request())).toMatchObject({ type: "refused", reply: { status: 401 } });
  });

  test("lets nobody but tenants in where they are named and the operator has no token", () => {
    const access = createAccessCheck({ tenants });
    expect(access(request())).toMatchObject({ type: "refused", reply: { status: 401 } });
    for (const token of ["", "undefined"])
      expect(access(request(bearer(token)))).toMatchObject({ type: "refused" });
    expect(access(request(bearer("token-of-acme-00")))).toEqual({ type: "tenant", name: "acme" });
    expect(createAccessCheck({ tenants: [] })(request())).toMatchObject({ type: "refused" });
  });

  test("takes whoever is on this machine for the operator where nobody has a token", () => {
    const access = createAccessCheck({});
    expect(access(request())).toEqual({ type: "operator" });
    expect(access(request({}, "http://gpu.example"))).toMatchObject({
      type: "refused",
      reply: { status: 403 },
    });
  });
});

describe("with tenants", () => {
  const app = createApp({ functions: new FakeFunctions(), tenants, token: "op" });
  afterEach(() => reset());

  test("metrics are the operator's", async () => {
    const refused = await app.request("/metrics", { headers: bearer("token-of-acme-00") });
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { error: expect.stringMatching(/takes the operator's token$/), code: "FORBIDDEN" },
    ]);
    expect((await app.request("/metrics", { headers: bearer("op") })).status).toBe(200);
    expect((await app.request("/metrics")).status).toBe(401);
  });

  test("health is open, and what names no function answers tenants", async () => {
    for (const path of ["/healthz", "/v2/health/live", "/v2/health/ready"])
      expect((await app.request(path)).status).toBe(200);
    expect((await app.request("/v2", { headers: bearer("token-of-acme-00") })).status).toBe(200);
    expect((await app.request("/nothing", { headers: bearer("token-of-acme-00") })).status).toBe(404);
  });

  test("the log says whose a request was", async () => {
    const records: LogRecord[] = [];
    await configure({
      sinks: { memory: (record) => records.push(record) },
      loggers: [
        { category: ["dawnlet", "http"], sinks: ["memory"] },
        { category: ["logtape", "meta"], lowestLevel: "error" },
      ],
    });
    await app.request("/v2", { headers: bearer("token-of-acme-00") });
    await app.request("/v2", { headers: bearer("op") });
    expect(records.map(({ properties }) => properties.tenant)).toEqual(["acme", undefined]);
    expect(JSON.stringify(records)).not.toContain("token-of");
  });
});
