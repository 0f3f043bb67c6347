/** What a link tells the device process that its client has taken. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ToHost } from "../../../runtime/device/session-messages.ts";
import type { Port } from "../../../runtime/port/port.ts";
import { OpenLink } from "../../../runtime/supervisor/gpu-link.ts";

let told: ToHost[];
let clientBytes: number;
let link: OpenLink;

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  clientBytes = 0;
  const port: Port = {
    send: ({ header }) => void told.push(header as ToHost),
    receive: () => {},
    closed: new Promise(() => {}),
    close: () => {},
  };
  link = new OpenLink(7, port, {
    ...{ group: "g", subject: "s", budgetBytes: 64 },
    queuedBytes: () => clientBytes,
  });
});

afterEach(() => {
  vi.useRealTimers();
});

const answer = { header: {}, attachments: [new Uint8Array(2 ** 20)] };
const acknowledged = () => told.filter(({ type }) => type === "taken");

test("answers count as taken once they are passed on to a client that reads", () => {
  link.receive(() => {});
  link.deliver(answer);
  expect(acknowledged()).toEqual([{ type: "taken", session: 7, messages: 1 }]);
});

test("answers count as taken only when the client has read them", () => {
  link.receive(() => {
    clientBytes += 2 ** 22;
  });
  link.deliver(answer);
  link.deliver(answer);
  vi.advanceTimersByTime(10_000);
  expect(acknowledged()).toEqual([]);
  clientBytes = 0;
  vi.advanceTimersByTime(100);
  expect(acknowledged()).toEqual([{ type: "taken", session: 7, messages: 2 }]);
});

test("a link that has ended asks no more, and passes nothing on", async () => {
  const passed = vi.fn();
  clientBytes = 2 ** 22;
  link.receive(passed);
  link.deliver(answer);
  link.hasEnded(null);
  link.deliver(answer);
  link.send(answer);
  expect(passed).toHaveBeenCalledTimes(1);
  expect(vi.getTimerCount()).toBe(0);
  expect(told.map(({ type }) => type)).toEqual(["open"]);
  expect(await link.ended).toEqual({ type: "closed" });
});
