import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { generateLoad, generateLoadOutside, type LoadPlan } from "../../../bench/harness/http-load.ts";

async function serve(answer: RequestListener): Promise<{ readonly plan: LoadPlan } & AsyncDisposable> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    plan: {
      ...{ host: "127.0.0.1", port, method: "POST", path: "/v1/functions/x?n=1" },
      headers: { "content-type": "application/octet-stream" },
      bodyBase64: Buffer.from("question").toString("base64"),
      ...{ connections: 3, warmUpMs: 30, durationMs: 150, expect: { status: 200 } },
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const base64 = (value: string) => Buffer.from(value).toString("base64");

describe("generateLoad()", () => {
  it("sends the request as it was given and counts right answers", async () => {
    const seen = new Set<string>();
    let served = 0;
    await using server = await serve(async (request, response) => {
      let body = "";
      for await (const piece of request) body += piece;
      seen.add(`${request.method} ${request.url} ${request.headers["content-type"]} ${body}`);
      served += 1;
      response.end("answer");
    });
    const result = await generateLoad({
      ...server.plan,
      expect: { status: 200, bodyBase64: base64("answer") },
    });
    expect([...seen]).toEqual(["POST /v1/functions/x?n=1 application/octet-stream question"]);
    expect(result.errors).toEqual({ status: 0, body: 0, connection: 0 });
    expect(result.firstError).toBeUndefined();
    expect(result.requests).toBeGreaterThan(10);
    // Those of the warm-up are not counted.
    expect(result.requests).toBeLessThan(served);
    expect(result.throughput).toBeCloseTo(result.requests / result.seconds);
    const { p50, p90, p99, max } = result.latencyMs;
    expect(p50).toBeGreaterThan(0);
    expect([p50, p90, p99, max]).toEqual([p50, p90, p99, max].sort((a, b) => a - b));
  });

  it("measures the time that an answer takes, on as many connections as it is told", async () => {
    let open = 0;
    let most = 0;
    await using server = await serve((_, response) => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        response.end("x");
      }, 25);
    });
    const result = await generateLoad(server.plan);
    expect(result.latencyMs.p50).toBeGreaterThan(20);
    expect(most).toBe(3);
  });

  it("finds the end of answers that come in pieces", async () => {
    const body = "0123456789".repeat(20_000);
    await using server = await serve((_, response) => {
      response.writeHead(200, { "Content-Length": body.length });
      response.write(body.slice(0, 5));
      setTimeout(() => response.end(body.slice(5)), 2);
    });
    const result = await generateLoad({ ...server.plan, expect: { status: 200, bodyBase64: base64(body) } });
    expect(result.requests).toBeGreaterThan(3);
    expect(result.errors).toEqual({ status: 0, body: 0, connection: 0 });
  });

  it("stops after so many answers", async () => {
    await using server = await serve((_, response) => void response.end("x"));
    const plan = { ...server.plan, connections: 1, requests: 5, durationMs: 10_000 };
    expect((await generateLoad(plan)).requests).toBe(5);
  });

  it("counts wrong statuses and bodies apart from right answers", async () => {
    let count = 0;
    await using server = await serve((_, response) => {
      count += 1;
      if (count % 3 === 0) response.statusCode = 503;
      response.end(count % 3 === 1 ? "answer" : "other");
    });
    const result = await generateLoad({
      ...server.plan,
      expect: { status: 200, bodyBase64: base64("answer") },
    });
    expect(result.errors.status).toBeGreaterThan(0);
    expect(result.errors.body).toBeGreaterThan(0);
    expect(result.errors.connection).toBe(0);
    expect(result.firstError).toMatch(/status 503 instead of 200: other|not the expected/);
    expect(result.requests).toBeLessThan(count / 2);
  });

  it("counts connections that break and goes on with new ones", async () => {
    let count = 0;
    await using server = await serve((request, response) => {
      count += 1;
      if (count % 5 === 0) request.socket.destroy();
      else response.end("x");
    });
    const result = await generateLoad(server.plan);
    expect(result.errors.connection).toBeGreaterThan(0);
    expect(result.requests).toBeGreaterThan(4);
  });

  it("fails where no answer is right", async () => {
    await using server = await serve((_, response) => {
      response.statusCode = 404;
      response.end("no such function");
    });
    await expect(generateLoad(server.plan)).rejects.toThrow("status 404 instead of 200: no such function");
    const chunked = await serve((_, response) => {
      response.write("a");
      response.end("b");
    });
    await expect(generateLoad(chunked.plan)).rejects.toThrow("no Content-Length");
    await chunked[Symbol.asyncDispose]();
    // Nobody listens there any more.
    await expect(generateLoad(chunked.plan)).rejects.toThrow("ECONNREFUSED");
  });

  it.each(["192.0.2.1", "localhost", "example.invalid", "0.0.0.0", "127.0.0.1.example.invalid"])(
    "refuses to send load to %s",
    async (host) => {
      await using server = await serve((_, response) => void response.end("x"));
      await expect(generateLoad({ ...server.plan, host })).rejects.toThrow(/only 127\.0\.0\.1 and ::1/);
    },
  );
});

describe("generateLoadOutside()", () => {
  it("gives the same figures from a process of its own, and its errors", async () => {
    // Longer than an argument of a process can be.
    const large = Buffer.alloc(300_000, 7).toString("base64");
    await using server = await serve((request, response) => {
      request.resume().on("end", () => response.end("x"));
    });
    const result = await generateLoadOutside({ ...server.plan, bodyBase64: large });
    expect(result.requests).toBeGreaterThan(5);
    expect(result.errors).toEqual({ status: 0, body: 0, connection: 0 });
    await expect(generateLoadOutside({ ...server.plan, host: "192.0.2.1" })).rejects.toThrow(/192\.0\.2\.1/);
  });
});
