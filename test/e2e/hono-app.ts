/** A Hono app that uses much of what Hono brings, and knows nothing of where it runs. A handler exports it by default. */
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { bearerAuth } from "hono/bearer-auth";
import { bodyLimit } from "hono/body-limit";
import { compress } from "hono/compress";
import { deleteCookie, getCookie, getSignedCookie, setCookie, setSignedCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { csrf } from "hono/csrf";
import { etag } from "hono/etag";
import { html } from "hono/html";
import { HTTPException } from "hono/http-exception";
import { jwt, sign } from "hono/jwt";
import { prettyJSON } from "hono/pretty-json";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import { stream, streamSSE, streamText } from "hono/streaming";
import { timeout } from "hono/timeout";
import { trimTrailingSlash } from "hono/trailing-slash";
import { validator } from "hono/validator";

interface Env {
  readonly Bindings: { readonly NAME: string };
  readonly Variables: { begun: number };
}

const secret = "not much of a secret";

export const app = new Hono<Env>();
app.use(secureHeaders());
app.use("*", requestId({ generator: () => "fixed" }));
app.use("/api/*", cors({ origin: ["http://localhost"], credentials: true, allowMethods: ["GET", "PUT"] }));
app.use("/etag/*", etag());
app.use("/pretty/*", prettyJSON());
app.use("/zipped/*", compress({ threshold: 10 }));
app.use("/form/*", csrf());
app.use("/trim/*", trimTrailingSlash());
app.use("/slow/*", timeout(50));
app.use("/limited/*", bodyLimit({ maxSize: 10, onError: (c) => c.text("too large", 413) }));
app.use("/basic/*", basicAuth({ username: "ada", password: "lovelace" }));
app.use("/bearer/*", bearerAuth({ token: "abc" }));
app.use("/jwt/*", jwt({ secret, alg: "HS256" }));
app.use(async (c, next) => {
  c.set("begun", 1);
  await next();
  c.header("x-begun", String(c.get("begun")));
});

app.get("/", (c) => c.text(`Hello ${c.env.NAME}`));
app.get("/api/items/:id{[0-9]+}", (c) => c.json({ id: Number(c.req.param("id")), q: c.req.queries("q") }));
app.put("/api/items/:id", async (c) => c.json({ id: c.req.param("id"), body: await c.req.json() }, 201));
app.on(["PURGE", "DELETE"], "/api/items/:id", (c) => c.body(null, 204));
app.get("/etag/text", (c) => c.text("the same each time"));
app.get("/pretty/json", (c) => c.json({ a: [1, 2] }));
app.get("/zipped/text", (c) => c.text("again and ".repeat(100)));
app.post("/form/echo", async (c) => c.json(await c.req.parseBody({ all: true })));
app.get("/trim/here", (c) => c.text("here"));
app.get("/slow/answer", async (c) => {
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return c.text("late");
});
app.post("/limited/echo", async (c) => c.text(await c.req.text()));
app.get("/basic/page", (c) => c.text("in"));
app.get("/bearer/page", (c) => c.text("in"));
app.get("/jwt/token", (c) => c.json(c.get("jwtPayload" as never)));
app.get("/token", async (c) => c.text(await sign({ sub: "ada", exp: 4_000_000_000 }, secret, "HS256")));
app.get("/cookies", async (c) => {
  setCookie(c, "first", "1", { path: "/", httpOnly: true, sameSite: "Lax" });
  setCookie(c, "second", "a b;c", { secure: true, maxAge: 60 });
  await setSignedCookie(c, "third", "signed", secret);
  deleteCookie(c, "gone");
  return c.json({ all: getCookie(c), signed: await getSignedCookie(c, secret, "third") });
});
app.post(
  "/checked",
  validator("json", (value: { age?: unknown }, c) =>
    typeof value.age === "number" ? { age: value.age } : c.text("age?", 400),
  ),
  (c) => c.json({ next: c.req.valid("json").age + 1 }),
);
app.get("/sse", (c) =>
  streamSSE(c, async (events) => {
    for (let id = 0; id < 3; id++)
      await events.writeSSE({ data: `line ${id}\nmore`, event: "tick", id: `${id}` });
  }),
);
app.get("/stream", (c) =>
  streamText(c, async (text) => {
    for (const word of ["one ", "two ", "three"]) {
      await text.write(word);
      await text.sleep(5);
    }
  }),
);
app.get("/bytes", (c) =>
  stream(c, async (bytes) => {
    await bytes.write(Uint8Array.of(0, 255, 1));
    await bytes.pipe(new Blob([Uint8Array.of(2, 3)]).stream());
  }),
);
app.get("/page/:name", (c) =>
  c.html(html`<!doctype html><title>${c.req.param("name")}</title><p>It is <b>${1 + 1}</b></p>`),
);
app.get("/redirect", (c) => c.redirect("page/x", 307));
app.get("/throws", () => {
  throw new HTTPException(418, { message: "short and stout" });
});
app.get("/request", async (c) => {
  const inner = await app.request("/api/items/7?q=1&q=2", {}, c.env);
  return c.json({ status: inner.status, body: await inner.json() });
});

const books = new Hono().basePath("/books");
books.get("/", (c) => c.json(["one", "two"])).get("/:id", (c) => c.text(`book ${c.req.param("id")}`));
app.route("/library", books);
app.mount("/mounted", (request: Request) => new Response(`mounted ${new URL(request.url).pathname}`));
app.notFound((c) => c.text(`no ${c.req.path}`, 404));
app.onError((error, c) =>
  error instanceof HTTPException ? error.getResponse() : c.text(`failed: ${error.message}`, 500),
);
