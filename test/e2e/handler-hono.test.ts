/** A Hono app in a handler answers as it does by itself. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { app } from "./hono-app.ts";
import { gatewayFor } from "./running-gateway.ts";
import { zipped } from "./zipped.ts";

const server = gatewayFor("all tests");
const call = (path: string, init?: RequestInit) => fetch(`${server.client.url}/function/${path}`, init);

/** Of the connection, and of the gateway. */
const ownHeaders = new Set([
  ...["connection", "content-length", "date", "keep-alive", "transfer-encoding"],
  ...["server-timing", "vary"],
]);

/** @param moved where a location leads for clients of the gateway. */
async function described(response: Response, moved = (location: string) => location) {
  const bytes = await response.arrayBuffer();
  const headers = [...response.headers]
    .filter(([name]) => !ownHeaders.has(name) && !/^x-(?!begun)/.test(name))
    // Node's server puts a Response of its own in place of the platform's, which writes a blank there.
    .map(([name, value]) => [
      name,
      name === "location" ? moved(value) : value.replace("; charset", ";charset"),
    ]);
  if (bytes.byteLength > 0 && !response.headers.has("content-type"))
    headers.push(["content-type", "application/octet-stream"]);
  return {
    status: response.status,
    headers: Object.fromEntries(headers),
    cookies: response.headers.getSetCookie(),
    body: new TextDecoder("latin1").decode(bytes),
  };
}

const get = (): RequestInit => ({});
const form = () => {
  const data = new FormData();
  data.append("a", "1");
  data.append("a", "2");
  data.append("b", "grün");
  return data;
};
const json = { "content-type": "application/json" };
const basic = (text: string) => ({ headers: { authorization: `Basic ${btoa(text)}` } });

const requests: ReadonlyArray<readonly [path: string, init?: () => RequestInit]> = [
  ["/"],
  ["/api/items/12?q=a&q=b%20c", () => ({ headers: { origin: "http://localhost" } })],
  ["/api/items/12", () => ({ headers: { origin: "http://127.0.0.1" } })],
  ["/api/items/x"],
  [
    "/api/items/12",
    () => ({
      method: "OPTIONS",
      headers: { origin: "http://localhost", "access-control-request-method": "PUT" },
    }),
  ],
  ["/api/items/12", () => ({ method: "PUT", headers: json, body: '{"a":[1,"ü"]}' })],
  ["/api/items/12", () => ({ method: "DELETE" })],
  ["/etag/text"],
  ["/etag/text", () => ({ method: "HEAD" })],
  ["/pretty/json?pretty"],
  ["/form/echo", () => ({ method: "POST", body: form() })],
  [
    "/form/echo",
    () => ({
      method: "POST",
      body: new URLSearchParams({ a: "1 & 2" }),
      headers: { origin: "http://localhost:999" },
    }),
  ],
  ["/trim/here/", () => ({ redirect: "manual" })],
  ["/slow/answer"],
  ["/limited/echo", () => ({ method: "POST", body: "short" })],
  ["/limited/echo", () => ({ method: "POST", body: "much too long for that" })],
  ["/basic/page"],
  ["/basic/page", () => basic("ada:lovelace")],
  ["/basic/page", () => basic("ada:byron")],
  ["/bearer/page", () => ({ headers: { authorization: "Bearer abc" } })],
  ["/jwt/token"],
  ["/jwt/token", () => ({ headers: { authorization: "Bearer abc" } })],
  ["/cookies", () => ({ headers: { cookie: "gone=1; x=%20y" } })],
  ["/checked", () => ({ method: "POST", headers: json, body: '{"age":41}' })],
  ["/checked", () => ({ method: "POST", headers: json, body: '{"age":"41"}' })],
  ["/sse"],
  ["/stream"],
  ["/bytes"],
  ["/page/%3Cscript%3E"],
  ["/redirect", () => ({ redirect: "manual" })],
  ["/throws"],
  ["/request"],
  ["/library/books"],
  ["/library/books/7"],
  ["/mounted/deep/path"],
  ["/nowhere/at/all"],
];

describe("a Hono app", () => {
  const variables = { NAME: "World" };

  beforeAll(async () => {
    const bundle = await zipped({
      "function.json": { kind: "handler", variables },
      "hono-app.ts": readFileSync(join(import.meta.dirname, "hono-app.ts"), "utf8"),
      "handler.ts": 'export { app as default } from "./hono-app.ts";',
    });
    await server.client.mustDeploy("app", bundle);
  });

  test.each(requests.map(([path, init = get]) => ({ path, init, method: init().method ?? "GET" })))(
    "answers $method $path as it does without a gateway",
    async ({ path, init }) => {
      const { url } = server.client;
      const direct = await app.request(url + path, init(), variables);
      const expected = await described(direct, (location) => location.replace(url, `${url}/function/app`));
      expect(await described(await call(`app${path}`, init()))).toEqual(expected);
    },
  );

  test("compresses for clients that say so", async () => {
    const response = await call("app/zipped/text", { headers: { "accept-encoding": "gzip" } });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(await response.text()).toBe("again and ".repeat(100));
  });

  test("keeps what has not changed to itself", async () => {
    const first = await call("app/etag/text");
    const tag = first.headers.get("etag")!;
    const second = await call("app/etag/text", { headers: { "if-none-match": tag } });
    expect([second.status, await second.text()]).toEqual([304, ""]);
  });

  test("reads tokens that it has signed", async () => {
    const token = await (await call("app/token")).text();
    const response = await call("app/jwt/token", { headers: { authorization: `Bearer ${token}` } });
    expect(await response.json()).toEqual({ sub: "ada", exp: 4_000_000_000 });
  });
});

test("pages are written in JSX", async () => {
  await server.client.mustDeploy(
    "pages",
    await zipped({
      "handler.tsx": `
        import { Hono } from "hono";
        import { css, Style } from "hono/css";
        import { jsxRenderer } from "hono/jsx-renderer";
        import type { FC } from "hono/jsx";
        const Item: FC<{ name: string }> = ({ name }) => <li class={css\`color: red\`}>{name}</li>;
        const Later = async () => { await new Promise((resolve) => setTimeout(resolve, 5)); return <i>later</i>; };
        const app = new Hono();
        app.use(jsxRenderer(({ children }) => <html><head><Style /></head><body>{children}</body></html>));
        app.get("/:name", (c) => c.render(<ul><Item name={c.req.param("name")} /><Later /></ul>));
        export default app;`,
    }),
  );
  const response = await call("pages/%3Cb%3E");
  expect(response.headers.get("content-type")).toMatch(/^text\/html/);
  const page = await response.text();
  expect(page).toMatch(/<li class="css-\d+">&lt;b&gt;<\/li><i>later<\/i>/);
  expect(page).toContain("color:red");
});
