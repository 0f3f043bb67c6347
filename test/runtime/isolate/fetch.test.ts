/** `fetch` of a handler: what goes outward, and how redirects are followed. */
import { expect, test } from "vitest";
import { outwardFetch } from "../../../runtime/isolate/fetch.ts";

/** Answers by URL; notes what was asked. */
function world(answers: Readonly<Record<string, () => Response>>) {
  const asked: { url: string; method: string; headers: Headers; body: string }[] = [];
  const send = async (request: Request): Promise<Response> => {
    const { url, method, headers } = request;
    asked.push({ url, method, headers, body: await request.text() });
    const answer = answers[url];
    if (answer === undefined) throw new TypeError(`nobody is at ${url}`);
    return answer();
  };
  return { asked, fetch: outwardFetch(send, async () => new Response("local")) };
}

const redirect = (status: number, location: string) => () =>
  new Response("moved", { status, headers: { location } });
const arrived = () => new Response("arrived");

test("a request goes outward as it is, and its answer comes back", async () => {
  const { asked, fetch } = world({ "https://a.test/x": arrived });
  const response = await fetch("https://a.test/x", { method: "PUT", body: "b", headers: { "x-own": "1" } });
  expect(await response.text()).toBe("arrived");
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({ method: "PUT", body: "b" });
  expect(asked[0]!.headers.get("x-own")).toBe("1");
});

test("data: and blob: need nobody", async () => {
  const { asked, fetch } = world({});
  expect(await (await fetch("data:text/plain,hello")).text()).toBe("local");
  expect(asked).toEqual([]);
});

test.each([
  [301, "GET", ""],
  [302, "GET", ""],
  [303, "GET", ""],
  [307, "POST", "body"],
  [308, "POST", "body"],
])("after %i a POST goes on as %s, relative to where it was", async (status, method, body) => {
  const { asked, fetch } = world({
    "https://a.test/x/y": redirect(status, "../z"),
    "https://a.test/z": arrived,
  });
  const response = await fetch("https://a.test/x/y", { method: "POST", body: "body" });
  expect(await response.text()).toBe("arrived");
  expect(asked[1]).toMatchObject({ url: "https://a.test/z", method, body });
  if (method === "GET") expect(asked[1]!.headers.has("content-type")).toBe(false);
});

test("credentials do not follow to another origin, and do within one", async () => {
  const { asked, fetch } = world({
    "https://a.test/1": redirect(302, "/2"),
    "https://a.test/2": redirect(302, "https://b.test/3"),
    "https://b.test/3": arrived,
  });
  await fetch("https://a.test/1", { headers: { authorization: "secret", "x-own": "1" } });
  expect(asked.map(({ headers }) => headers.get("authorization"))).toEqual(["secret", "secret", null]);
  expect(asked.map(({ headers }) => headers.get("x-own"))).toEqual(["1", "1", "1"]);
});

test("redirect: manual gives the redirect, error refuses it", async () => {
  const { fetch } = world({ "https://a.test/1": redirect(302, "/2") });
  expect((await fetch("https://a.test/1", { redirect: "manual" })).status).toBe(302);
  await expect(fetch("https://a.test/1", { redirect: "error" })).rejects.toThrow(TypeError);
});

test("a circle of redirects comes to an end", async () => {
  const { asked, fetch } = world({ "https://a.test/1": redirect(302, "/1") });
  await expect(fetch("https://a.test/1")).rejects.toThrow("redirects too often");
  expect(asked.length).toBeLessThan(30);
});

test("a body that was a stream cannot be sent again", async () => {
  const { fetch } = world({ "https://a.test/1": redirect(307, "/2"), "https://a.test/2": arrived });
  const body = new Blob(["piece"]).stream();
  const init = { method: "POST", body, duplex: "half" } as RequestInit;
  await expect(fetch("https://a.test/1", init)).rejects.toThrow("cannot be sent again");
});

test("a redirect that leads nowhere is an answer like others", async () => {
  const { fetch } = world({ "https://a.test/1": () => new Response(null, { status: 304 }) });
  expect((await fetch("https://a.test/1")).status).toBe(304);
});
