import { beforeEach, describe, expect, test } from "vitest";
import { followLog } from "../../../gateway/api/log-stream.ts";
import { createApp } from "../../../gateway/app.ts";
import { FunctionLogs, type LogLine } from "../../../gateway/handlers/function-logs.ts";
import { FakeFunctions } from "../fake-functions.ts";

let logs: FunctionLogs;
let app: ReturnType<typeof createApp>;
const add = { name: "add" };

beforeEach(() => {
  logs = new FunctionLogs();
  app = createApp({ functions: new FakeFunctions(), logs });
});

const line = (message: string, level: LogLine["level"] = "info"): LogLine => ({
  ...{ time: "2026-01-01T00:00:00.000Z", level, version: 1, instance: 1 },
  message,
});
const parsed = (text: string): Array<Record<string, unknown>> =>
  text.split("\n").flatMap((one) => (one === "" ? [] : [JSON.parse(one)]));
const messagesOf = (text: string) => parsed(text).map(({ message, lost }) => message ?? lost);

describe("GET /v1/functions/{name}/logs", () => {
  test("answers the last lines as NDJSON", async () => {
    for (let index = 0; index < 150; index++) logs.add(add, line(`${index}`, index % 2 ? "warn" : "debug"));
    logs.add(add, { ...line("last", "error"), fields: { path: "/" } });
    logs.add({ name: "echo" }, line("another's"));
    const response = await app.request("/v1/functions/add/logs");
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = parsed(await response.text());
    expect(lines).toHaveLength(100);
    expect(lines.at(-1)).toEqual({ ...line("last", "error"), fields: { path: "/" } });
    const warned = await app.request("/v1/functions/add/logs?tail=3&level=warn&follow=false");
    expect(messagesOf(await warned.text())).toEqual(["147", "149", "last"]);
    expect(await (await app.request("/v1/functions/invert/logs")).text()).toBe("");
  });

  test.each([
    ["tail=1001", "expected a number from 0 to 1000"],
    ["tail=-1", "expected a number from 0 to 1000"],
    ["level=loud", "expected debug, info, warn, error"],
    ["follow=maybe", "expected true or false"],
  ])("refuses %s", async (query, message) => {
    const response = await app.request(`/v1/functions/add/logs?${query}`);
    expect(response.status).toBe(400);
    expect((await response.json()).error).toContain(message);
  });

  test("is refused for what is not deployed", async () => {
    expect((await app.request("/v1/functions/nothing/logs")).status).toBe(404);
  });

  test("goes on with new lines until the function is removed", async () => {
    logs.add(add, line("before"));
    const response = await app.request("/v1/functions/add/logs?follow=true&level=info");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect(messagesOf((await reader.read()).value!)).toEqual(["before"]);
    const next = reader.read();
    logs.add(add, line("unheard", "debug"));
    logs.add(add, line("one"));
    expect(messagesOf((await next).value!)).toEqual(["one"]);
    logs.add(add, line("two"));
    logs.remove(add);
    expect(messagesOf((await reader.read()).value!)).toEqual(["two"]);
    expect((await reader.read()).done).toBe(true);
  });
});

test("what a slow reader loses is counted", async () => {
  const options = { logs, owner: add, tail: 10, level: "debug", mostWaiting: 3 } as const;
  const reader = followLog(options).pipeThrough(new TextDecoderStream()).getReader();
  // Nothing has been logged: an empty line, so that the head goes out.
  expect((await reader.read()).value).toBe("\n");
  for (let index = 0; index < 20; index++) {
    logs.add(add, line(`${index}`));
    // What reads ahead has its turn.
    if (index < 10) await Promise.resolve();
  }
  logs.close();
  let text = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value;
  const found = parsed(text);
  const lost = found.reduce((sum, one) => sum + (typeof one.lost === "number" ? one.lost : 0), 0);
  const messages = found.flatMap(({ message }) => (message === undefined ? [] : [message]));
  expect(lost).toBeGreaterThan(0);
  expect(lost + messages.length).toBe(20);
  expect(messages.slice(-3)).toEqual(["17", "18", "19"]);
});

test("a pause is filled with empty lines, and who leaves is forgotten", async () => {
  const stream = followLog({ logs, owner: add, tail: 0, level: "debug", pauseMs: 1 });
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let count = 0; count < 3; count++) expect((await reader.read()).value).toBe("\n");
  await reader.cancel();
  logs.add(add, line("unheard"));
  logs.close();
});
