/**
 * Where a handler's redirect leads clients. A handler sees its own paths, and code that was written for the root of a host
 * names them in `location`; for clients they begin with the function's prefix. Relative ones need nothing.
 */

/**
 * @param location as the handler gave it.
 * @param origin of the request, as handler and client see it.
 * @param prefix of the function's paths, `/function/x`; what has it already stays as it is.
 */
export function locationForClients(location: string, origin: string, prefix: string): string {
  const isAbsolute = location.startsWith(`${origin}/`);
  const path = isAbsolute ? location.slice(origin.length) : location;
  // Two slashes, also where one leans the other way, begin a host.
  const isOwn = /^\/(?![/\\])/.test(path) && !isBelow(path, prefix);
  return isOwn ? `${isAbsolute ? origin : ""}${prefix}${path}` : location;
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && /^([/?#]|$)/.test(path.slice(prefix.length));
}
