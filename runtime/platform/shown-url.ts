/** A URL as errors and logs may show it: without its query, which often holds keys, and not longer than a line. */
const maxLength = 200;

export function shownUrl(url: URL): string {
  const text = url.origin === "null" ? `${url.protocol}${url.pathname}` : `${url.origin}${url.pathname}`;
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
}
