/** Which headers go from one end to the other, and which concern one connection (RFC 9110, 7.6.1). */

const connectionHeaders = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Without those that concern the connection, those that `connection` names, and all of proxies.
 * @param pairs names in any case.
 */
export function endToEndHeaders(pairs: readonly (readonly [string, string])[]): [string, string][] {
  const named = new Set(
    pairs
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.toLowerCase().split(","))
      .map((name) => name.trim()),
  );
  return pairs.flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    const isLocal = connectionHeaders.has(lower) || lower.startsWith("proxy-") || named.has(lower);
    return isLocal ? [] : [[lower, value] satisfies [string, string]];
  });
}

/** The headers to send for a URL. Bodies state their length themselves: `content-length` is left out. */
export function requestHeaders(headers: Headers, url: URL): Record<string, string> {
  const sent = endToEndHeaders([...headers]).filter(([name]) => name !== "host" && name !== "content-length");
  return { accept: "*/*", "user-agent": "dawnlet", ...Object.fromEntries(sent), host: url.host };
}

/** @param raw names and values in turns, as node:http gives them. */
export function responseHeaders(raw: readonly string[]): Headers {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i]!, raw[i + 1]!]);
  return new Headers(endToEndHeaders(pairs));
}
