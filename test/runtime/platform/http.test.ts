import { afterEach, expect, test, vi } from "vitest";
import { platform } from "#platform";
import type { FetchHandler, HttpServer } from "../../../runtime/platform/platform.ts";

const servers: HttpServer[] = [];

async function serve(fetch: FetchHandler): Promise<{ server: HttpServer; url: string }> {
  const server = await platform.serveHttp(fetch, { hostname: "127.0.0.1", port: 0 });
  servers.push(server);
  return { server, url: `http://127.0.0.1:${server.port}/` };
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close(0)));
});

test("`serveHttp()` answers requests with their bodies", async () => {
  const { url } = await serve(async (request) => {
    const body = new Uint8Array(await request.arrayBuffer());
    return new Response(
      body.map((byte) => byte + 1),
      { status: 201, headers: { "x-method": request.method } },
    );
  });
  const response = await fetch(url, { method: "POST", body: new Uint8Array([1, 2, 3]) });
  expect(response.status).toBe(201);
  expect(response.headers.get("x-method")).toBe("POST");
  expect(await response.bytes()).toEqual(new Uint8Array([2, 3, 4]));
});

test("a client that goes away aborts its request's signal, one that stays does not", async () => {
  const aborted = vi.fn();
  const { url } = await serve(async (request) => {
    const { signal } = request;
    const isSlow = new URL(request.url).pathname === "/slow";
    signal.addEventListener("abort", () => isSlow && aborted());
    if (!isSlow) return new Response(String(signal.aborted));
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve);
    });
    return new Response("too late");
  });
  const controller = new AbortController();
  const slow = fetch(`${url}slow`, { signal: controller.signal, method: "POST", body: "x" });
  expect(await (await fetch(url)).text()).toBe("false");
  expect(aborted).not.toHaveBeenCalled();
  controller.abort();
  await expect(slow).rejects.toThrow();
  await vi.waitFor(() => expect(aborted).toHaveBeenCalledOnce());
});

test("a request whose client stays is not aborted while its answer is streamed", async () => {
  const signals: boolean[] = [];
  const { url } = await serve((request) => {
    const body = new ReadableStream({
      async start(controller) {
        for (const letter of "abc") {
          controller.enqueue(new TextEncoder().encode(letter));
          await new Promise((resolve) => setTimeout(resolve, 20));
          signals.push(request.signal.aborted);
        }
        controller.close();
      },
    });
    return new Response(body);
  });
  expect(await (await fetch(url)).text()).toBe("abc");
  expect(signals).toEqual([false, false, false]);
});

test("`close()` lets running requests finish and then takes none", async () => {
  const started = Promise.withResolvers<void>();
  const { server, url } = await serve(async () => {
    started.resolve();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return new Response("finished");
  });
  const running = fetch(url);
  await started.promise;
  const begun = performance.now();
  await Promise.all([
    server.close(5000),
    expect(running.then((response) => response.text())).resolves.toBe("finished"),
  ]);
  expect(performance.now() - begun).toBeLessThan(2000);
  await expect(fetch(url)).rejects.toThrow();
});

test("`close()` cuts requests that take longer than the grace", async () => {
  const started = Promise.withResolvers<void>();
  const { server, url } = await serve(() => {
    started.resolve();
    return new Promise<Response>(() => {});
  });
  const running = expect(fetch(url)).rejects.toThrow();
  await started.promise;
  const begun = performance.now();
  await server.close(100);
  expect(performance.now() - begun).toBeLessThan(1500);
  await running;
});

test("a port that is taken is an error that says so", async () => {
  const { server } = await serve(() => new Response());
  await expect(
    platform.serveHttp(() => new Response(), { hostname: "127.0.0.1", port: server.port }),
  ).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: `Cannot listen on 127.0.0.1:${server.port} as another program uses this port: choose another one`,
  });
});
