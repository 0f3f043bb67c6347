/** Every route that names a function, with a request that would do something to a function that is there. */

export interface NamedRoute {
  readonly method: string;
  /** Begins with a slash. */
  readonly path: string;
  readonly body?: string;
}

const infer = JSON.stringify({ inputs: [{ name: "x", shape: [1], datatype: "FP32", data: [1] }] });

/** Deploys are not among them: that a name is taken must be said. */
export function routesByName(name: string): readonly NamedRoute[] {
  const models = [`/v2/models/${name}`, `/v2/models/${name}/versions/1`, `/v2/models/${name}/versions/9`];
  const own = `/v1/functions/${name}`;
  return [
    ...models.flatMap((path) => [
      ...["", "/ready", "/config", "/stats"].map((rest) => ({ method: "GET", path: path + rest })),
      { method: "POST", path: `${path}/infer`, body: infer },
      { method: "POST", path: `${path}/infer`, body: "broken" },
    ]),
    ...["", "?version=1", "?version=9"].flatMap((query) => [
      { method: "GET", path: `/function/${name}${query}` },
      { method: "POST", path: `/function/${name}${query}`, body: '{"x":[1]}' },
      { method: "GET", path: `${own}/program${query}` },
    ]),
    { method: "POST", path: `/v2/repository/models/${name}/load` },
    { method: "GET", path: own },
    { method: "PATCH", path: own, body: '{"priority":5}' },
    { method: "PATCH", path: own, body: "broken" },
    { method: "DELETE", path: `${own}/quarantine` },
    { method: "GET", path: `${own}/logs` },
    { method: "GET", path: `${own}/logs?tail=broken` },
    { method: "GET", path: `${own}/profile` },
    { method: "GET", path: `${own}/profile?device=none` },
    { method: "GET", path: `${own}/profile.svg` },
    { method: "POST", path: `${own}/profile`, body: "{}" },
    { method: "POST", path: `${own}/profile`, body: "broken" },
    { method: "GET", path: `${own}/secrets` },
    { method: "PUT", path: `${own}/secrets/KEY`, body: "value" },
    { method: "PUT", path: `${own}/secrets/no-key`, body: "value" },
    { method: "DELETE", path: `${own}/secrets/KEY` },
    // What removes it comes last.
    { method: "POST", path: `/v2/repository/models/${name}/unload` },
    { method: "DELETE", path: own },
  ];
}

/** All of an answer but what differs from one request to the next. @param name becomes NAME. */
export async function comparable(response: Response, name: string) {
  const headers = [...response.headers].filter(([key]) => !differing.has(key));
  const { status, statusText } = response;
  return { status, statusText, headers, body: (await response.text()).replaceAll(name, "NAME") };
}

const differing: ReadonlySet<string> = new Set(["date", "x-request-id", "server-timing", "content-length"]);
