/** How long bodies count, and when one that does not come is given up. Over real sockets: test/e2e/held-bodies.test.ts. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { bodyLimits } from "../../../gateway/http/body-limits.ts";
import { StallWatch } from "../../../gateway/http/stall-watch.ts";
import { FakeFunctions } from "../fake-functions.ts";

const kibibyte = 2 ** 10;

describe("bodies", () => {
  test.each([
    ["small ones that say how long they are", 40 * kibibyte, true],
    ["large ones that say how long they are", 80 * kibibyte, true],
    ["ones that do not say it", 40 * kibibyte, false],
  ])("count until their call is answered: %s", async (_, sizeBytes, isDeclared) => {
    const functions = new FakeFunctions();
    const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
    const invoke = functions.invoke.bind(functions);
    let begun = 0;
    functions.invoke = async (invocation) => {
      begun++;
      await mayAnswer;
      return invoke(invocation);
    };
    const heldBytes = 2.5 * sizeBytes;
    const app = createApp({ functions, limits: { callBytes: 100 * kibibyte, heldBytes } });
    const call = async () => {
      const response = await app.request("/function/echo-uint8", {
        method: "POST",
        body: new Uint8Array(sizeBytes),
        headers: {
          "content-type": "application/octet-stream",
          ...(isDeclared && { "content-length": `${sizeBytes}` }),
        },
      });
      return response.status;
    };
    const calls = [call(), call()];
    await vi.waitFor(() => expect(begun).toBe(2));
    expect(await call()).toBe(503);
    answer();
    expect(await Promise.all(calls)).toEqual([200, 200]);
    expect(await Promise.all([call(), call()])).toEqual([200, 200]);
  });

  test("that come when their call of a handler has failed are nobody's error", async () => {
    const functions = new FakeFunctions();
    functions.version = (name) => ({ ...functions.get(name).current, kind: "handler" });
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const { promise: isAnswered, resolve: answered } = Promise.withResolvers<void>();
    const body = new ReadableStream({
      async pull(controller) {
        await isAnswered;
        controller.enqueue(new Uint8Array(4));
        controller.close();
      },
    });
    const init = { method: "POST", body, headers: { "content-length": "4" }, duplex: "half" } as const;
    const response = await createApp({ functions }).request("/function/add/path", init);
    expect(await response.json()).toMatchObject({ code: "UNSUPPORTED" });
    answered();
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve));
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  test("may hold an eighth of the host's memory, and four of the largest at least", () => {
    expect(bodyLimits({}, 2 ** 36)).toMatchObject({ callBytes: 2 ** 26, heldBytes: 2 ** 33 });
    expect(bodyLimits({}, 2 ** 30).heldBytes).toBe(2 ** 28);
    expect(bodyLimits({ callBytes: 1000, stallMs: 5 })).toMatchObject({ heldBytes: 4000, stallMs: 5 });
  });
});

describe("StallWatch", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("fails what does not come in time, and nothing else", async () => {
    const stalls = new StallWatch(1000);
    const outcomes: string[] = [];
    const wait = (name: string, afterMs: number) =>
      stalls.wait(new Promise((resolve) => setTimeout(resolve, afterMs))).then(
        () => outcomes.push(`${name} came`),
        (error) => outcomes.push(`${name} failed: ${error.code}`),
      );
    wait("first", 5000);
    await vi.advanceTimersByTimeAsync(600);
    wait("second", 900);
    wait("third", 5000);
    await vi.advanceTimersByTimeAsync(399);
    expect(outcomes).toEqual([]);
    await vi.advanceTimersByTimeAsync(2);
    expect(outcomes).toEqual(["first failed: REQUEST_TIMEOUT"]);
    await vi.advanceTimersByTimeAsync(500);
    expect(outcomes.slice(1)).toEqual(["second came"]);
    await vi.advanceTimersByTimeAsync(100);
    expect(outcomes.slice(2)).toEqual(["third failed: REQUEST_TIMEOUT"]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(vi.getTimerCount()).toBe(0);
    wait("fourth", 5000);
    await vi.advanceTimersByTimeAsync(1001);
    expect(outcomes.slice(3)).toEqual(["fourth failed: REQUEST_TIMEOUT"]);
  });
});
