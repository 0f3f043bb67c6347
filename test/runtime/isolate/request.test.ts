/** The `Request` of a handler: that of the web, whose copies share the signal of the call. */
import { expect, test } from "vitest";
import { HandlerRequest } from "../../../runtime/isolate/request.ts";

const url = "http://localhost/a";
const post = () => ({ method: "POST", body: "hello", headers: { "x-own": "yes" } });

test("a request that came has the signal of its call, and so have all copies of it", async () => {
  const call = new AbortController();
  const copies: Record<string, (request: HandlerRequest) => Request> = {
    itself: (request) => request,
    constructed: (request) => new HandlerRequest(request),
    "with another method": (request) => new HandlerRequest(request, { method: "PUT" }),
    cloned: (request) => request.clone(),
    "cloned twice": (request) => request.clone().clone(),
    "given as options": (request) => new HandlerRequest("http://localhost/b", request),
  };
  const made = Object.entries(copies).map(([name, copy]) => {
    return { name, copy: copy(HandlerRequest.received(url, post(), call.signal)) };
  });
  expect(made.map(({ copy }) => copy.signal.aborted)).not.toContain(true);
  call.abort(new Error("gone"));
  for (const { name, copy } of made) {
    expect(copy.signal.aborted, name).toBe(true);
    expect(copy.signal.reason, name).toMatchObject({ message: "gone" });
    expect(copy, name).toBeInstanceOf(HandlerRequest);
    expect(copy.headers.get("x-own"), name).toBe("yes");
  }
});

test("a copy with a signal of its own has that one, or none where it says so", () => {
  const [call, own] = [new AbortController(), new AbortController()];
  const request = HandlerRequest.received(url, {}, call.signal);
  const [other, none] = [
    new HandlerRequest(request, { signal: own.signal }),
    new HandlerRequest(request, { signal: null }),
  ];
  call.abort();
  expect([request.signal.aborted, other.signal.aborted, none.signal.aborted]).toEqual([true, false, false]);
  own.abort();
  expect([other.signal.aborted, none.signal.aborted]).toEqual([true, false]);
});

test("a request that the handler makes is one of the web", async () => {
  const own = new AbortController();
  const request = new HandlerRequest(url, { ...post(), signal: own.signal });
  const copy = request.clone();
  expect(request).toBeInstanceOf(Request);
  expect(HandlerRequest.name).toBe("Request");
  expect([await request.text(), await copy.text(), request.bodyUsed]).toEqual(["hello", "hello", true]);
  expect(new HandlerRequest(url).signal.aborted).toBe(false);
  own.abort();
  expect([request.signal.aborted, copy.signal.aborted]).toEqual([true, true]);
});
