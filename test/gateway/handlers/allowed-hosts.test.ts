import { describe, expect, it } from "vitest";
import { AllowedHosts, hostToName, withoutFinalDot } from "../../../gateway/handlers/allowed-hosts.ts";

const isAllowed = (hosts: readonly string[], url: string) =>
  new AllowedHosts(hosts).allows(withoutFinalDot(new URL(url)));

describe("`AllowedHosts.allows()`", () => {
  it.each([
    ["api.example.com", "https://api.example.com/x?y"],
    ["api.example.com", "http://api.example.com/"],
    ["api.example.com", "http://API.Example.COM/"],
    ["API.example.com", "https://api.example.com/"],
    ["api.example.com", "https://api.example.com./"],
    ["api.example.com.", "https://api.example.com/"],
    ["api.example.com", "http://api.example.com:443/"],
    ["api.example.com:8443", "https://api.example.com:8443/"],
    ["api.example.com:80", "http://api.example.com/"],
    ["api.example.com:443", "https://api.example.com/"],
    ["*.example.org", "https://a.example.org/"],
    ["*.example.org", "https://a.b.c.example.org/"],
    ["*.example.org:9000", "http://a.example.org:9000/"],
    ["*.host1", "http://a.host1/"],
    ["bücher.example", "https://b%C3%BCcher.example/"],
    ["bücher.example", "https://xn--bcher-kva.example/"],
    ["xn--bcher-kva.example", "https://BÜCHER.example/"],
    ["127.0.0.1", "http://2130706433/"],
    ["127.0.0.1", "http://0x7f.1/"],
    ["127.0.0.1", "http://0177.0.0.01/"],
    ["[::1]:9000", "http://[0:0:0:0:0:0:0:1]:9000/"],
  ])("%s allows %s", (host, url) => {
    expect(isAllowed([host], url)).toBe(true);
  });

  it.each([
    ["api.example.com", "https://example.com/"],
    ["api.example.com", "https://x.api.example.com/"],
    ["api.example.com", "https://api.example.com.evil.net/"],
    ["api.example.com", "https://evilapi.example.com/"],
    ["api.example.com", "https://evil.net/api.example.com"],
    ["api.example.com", "https://api.example.com@evil.net/"],
    ["api.example.com", "https://evil.net#@api.example.com/"],
    ["api.example.com", "https://evil.net\\@api.example.com/"],
    ["api.example.com", "https://api.example.com:8443/"],
    ["api.example.com:8443", "https://api.example.com/"],
    ["api.example.com:80", "https://api.example.com/"],
    ["*.example.org", "https://example.org/"],
    ["*.example.org", "https://badexample.org/"],
    ["*.example.org", "https://a.example.org.evil.net/"],
    ["127.0.0.1", "http://127.0.0.2/"],
    ["[::1]:9000", "http://[::2]:9000/"],
    ["[::1]:9000", "http://[::1]/"],
  ])("%s does not allow %s", (host, url) => {
    expect(isAllowed([host], url)).toBe(false);
  });

  it("allows what any of several hosts allow, and nothing without hosts", () => {
    expect(isAllowed(["a.test", "b.test"], "http://b.test/")).toBe(true);
    expect(isAllowed(["a.test", "b.test"], "http://c.test/")).toBe(false);
    expect(isAllowed([], "http://a.test/")).toBe(false);
  });
});

it.each([
  ...[
    "",
    "*",
    "*.",
    "*.*.com",
    "a.*.com",
    "http://a.test",
    "a.test/",
    "a.test/x",
    "u@a.test",
    "a test",
    "a.test?x",
  ],
  ...[
    "a.test:",
    "a.test:0",
    "a.test:65536",
    "a.test:x",
    "a.test:80:90",
    "::1",
    "[::1",
    "*.[::1]",
    "*.10.0.0.1",
    "%61.test",
  ],
])("'%s' is no host that a manifest may name", (text) => {
  expect(() => new AllowedHosts([text])).toThrow(
    expect.objectContaining({
      code: "INVALID_ARGUMENT",
      message: `Cannot allow the host '${text}': expected one such as "api.example.com", "*.example.org" or "localhost:9000"`,
    }),
  );
  expect(() => new AllowedHosts(["a.test"])).not.toThrow();
});

it("`hostToName()` gives what allows its URL", () => {
  for (const url of [
    "https://a.test/",
    "http://a.test:8080/",
    "https://a.test:80/",
    "http://[::1]:9/",
    "http://a.test./",
  ]) {
    const plain = withoutFinalDot(new URL(url));
    expect(new AllowedHosts([hostToName(plain)]).allows(plain)).toBe(true);
  }
});
