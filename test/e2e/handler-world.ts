/**
 * A gateway with two tenants, one of whom means harm: deploys and calls handlers as either, and checks that the other,
 * and the gateway itself, are as they were. The gateway runs in the test's own process.
 */
import { expect } from "vitest";
import { platform } from "#platform";
import type { GatewayOptions } from "../../gateway/gateway.ts";
import { gatewayFor, type RunningGatewayOptions } from "./running-gateway.ts";
import { timesShader } from "./small-functions.ts";
import { zipped } from "./zipped.ts";

const tokens = { stranger: "token-of-the-stranger", neighbour: "token-of-the-neighbour" };
export type Who = keyof typeof tokens;

/** Parts of `function.json`. */
export type Manifest = Readonly<Record<string, unknown>>;

export interface World {
  readonly url: string;
  /** Pids of the processes of handlers that were started, in order. */
  readonly pids: readonly number[];
  call(path: string, init?: RequestInit, who?: Who): Promise<Response>;
  /** @throws Error with the server's words. */
  deploy(name: string, code: string, manifest?: Manifest, who?: Who): Promise<void>;
  tryDeploy(name: string, code: string, manifest?: Manifest, who?: Who): Promise<Response>;
  /** Expects the neighbour's handler and function to answer right. */
  checkNeighbour(): Promise<void>;
  readonly authorization: Readonly<Record<Who, string>>;
}

const neighbour = `let calls = 0;
  export default { async fetch(request) { return Response.json({ sum: (await request.json()).reduce((a, b) => a + b, 0), calls: ++calls }); } };`;

export function handlerWorld(
  options: Omit<RunningGatewayOptions, "tenants" | "token"> & Pick<GatewayOptions, "handlerLimits"> = {},
): World {
  const pids: number[] = [];
  const tenants = (Object.keys(tokens) as Who[]).map((name) => ({ name, token: tokens[name] }));
  const server = gatewayFor("all tests", {
    ...options,
    tenants,
    onChild: (kind, { pid }) => {
      if (kind === "isolate") pids.push(pid);
    },
  });
  const authorization = {
    stranger: `Bearer ${tokens.stranger}`,
    neighbour: `Bearer ${tokens.neighbour}`,
  };
  const ask = (path: string, init: RequestInit, who: Who) =>
    fetch(server.client.url + path, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), authorization: authorization[who] },
    });
  const put = (name: string, body: Uint8Array | string, who: Who) =>
    ask(`/v1/functions/${name}`, { method: "PUT", body: body as BodyInit }, who);
  let furnished: Promise<void> | undefined;
  const furnish = async (): Promise<void> => {
    await world.deploy("sum", neighbour, {}, "neighbour");
    expect((await put("triple", timesShader(3), "neighbour")).status).toBe(201);
  };

  const world: World = {
    get url() {
      return server.client.url;
    },
    pids,
    authorization,
    call: (path, init = {}, who = "stranger") => ask(`/function/${path}`, init, who),
    async tryDeploy(name, code, manifest = {}, who = "stranger") {
      const files = { "function.json": { kind: "handler", ...manifest }, "handler.js": code };
      return put(name, await zipped(files), who);
    },
    async deploy(name, code, manifest, who) {
      const response = await world.tryDeploy(name, code, manifest, who);
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    },
    async checkNeighbour() {
      furnished ??= furnish();
      await furnished;
      const answers = await Promise.all([
        world.call("sum", { method: "POST", body: "[1,2,3]" }, "neighbour"),
        world.call("triple", { method: "POST", body: '{"x":[1,2]}' }, "neighbour"),
      ]);
      const [sum, triple] = await Promise.all(answers.map((answer) => answer.json()));
      expect(sum).toMatchObject({ sum: 6 });
      expect(triple).toMatchObject({ y: [3, 6] });
      expect(Reflect.get({}, "polluted")).toBeUndefined();
    },
  };
  return world;
}

export const isNode = platform.runtime === "node";

/** The error of an answer, and how long it took. @throws Error where it is no refusal. */
export async function refusalOf(
  response: Response,
): Promise<{ readonly status: number; readonly code: string; readonly error: string }> {
  if (response.ok) throw new Error(`It was answered: ${await response.text()}`);
  return { status: response.status, ...(await response.json()) };
}
