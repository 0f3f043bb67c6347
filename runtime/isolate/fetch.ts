/**
 * `fetch` of a handler: requests to the world go through the gateway, which asks only hosts that the function names.
 * Redirects are followed here, so that each hop is asked for.
 */
export type SendOutward = (request: Request) => Promise<Response>;

const maxRedirects = 20;
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** These name no host. */
const localProtocols: ReadonlySet<string> = new Set(["data:", "blob:"]);

/** @param local fetches what needs no network. */
export function outwardFetch(send: SendOutward, local: typeof fetch): typeof fetch {
  return async (input, init) => {
    let request = new Request(input, init);
    if (localProtocols.has(new URL(request.url).protocol)) return local(request);
    const body = replayable(init?.body);
    for (let hops = 0; ; hops++) {
      const response = await send(request);
      const location = redirectStatuses.has(response.status) ? response.headers.get("location") : null;
      if (location === null || request.redirect === "manual") return response;
      if (request.redirect === "error") throw new TypeError(`'${request.url}' redirects`);
      if (hops === maxRedirects) throw new TypeError(`'${request.url}' redirects too often`);
      await response.body?.cancel();
      request = redirected(request, response.status, location, body);
    }
  };
}

/** Undefined for a body that can be sent once only. */
function replayable(body: BodyInit | null | undefined): BodyInit | null | undefined {
  return body instanceof ReadableStream ? undefined : (body ?? null);
}

function redirected(
  request: Request,
  status: number,
  location: string,
  body: BodyInit | null | undefined,
): Request {
  const url = new URL(location, request.url);
  const { method, signal } = request;
  const headers = new Headers(request.headers);
  if (url.origin !== new URL(request.url).origin)
    for (const name of ["authorization", "cookie", "proxy-authorization"]) headers.delete(name);
  const becomesGet = (status === 303 && method !== "HEAD") || (status < 303 && method === "POST");
  if (becomesGet || method === "GET" || method === "HEAD") {
    for (const name of ["content-type", "content-length", "content-encoding"]) headers.delete(name);
    return new Request(url, { method: method === "HEAD" ? method : "GET", headers, signal });
  }
  if (body === undefined)
    throw new TypeError(`'${request.url}' redirects, and its body was a stream: it cannot be sent again`);
  return new Request(url, { method, headers, signal, body });
}
