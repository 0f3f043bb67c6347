/**
 * Answers a few requests of its own while nobody waits: runtimes load and compile what requests use only when it is used,
 * which delays a first answer (18 ms from a waiting process to it, 31 without this; 2-core x86-64 under load).
 */
import { FetchPeer } from "../port/fetch/fetch-peer.ts";
import { Inbox } from "../port/inbox.ts";
import type { Port } from "../port/port.ts";
import { loadHandler } from "./handler.ts";
import { HandlerRequest } from "./request.ts";

const handler = `export default { fetch: async (request) => Response.json(await request.json()) };`;
const requests = 8;

export async function warmUp(): Promise<void> {
  const encoder = new TextEncoder();
  const fetch = await loadHandler(encoder.encode(handler), "warm-up");
  const [near, far] = joinedPorts();
  new FetchPeer({
    port: far,
    serve: (request) => fetch(request, {}, undefined as never),
    makeRequest: HandlerRequest.received,
  });
  const peer = new FetchPeer({ port: near });
  const headers = [["content-type", "application/json"]] as const;
  for (let i = 0; i < requests; i++) {
    const body = encoder.encode(JSON.stringify({ i }));
    await peer.send({ method: "POST", url: "http://localhost/", headers, body }).response;
  }
  peer.close();
}

function joinedPorts(): readonly [Port, Port] {
  const inboxes = [new Inbox(), new Inbox()] as const;
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const port = (own: Inbox, other: Inbox): Port => ({
    closed,
    close,
    send: (message) => queueMicrotask(() => other.put(message)),
    receive: (receiver) => own.open(receiver),
  });
  return [port(inboxes[0], inboxes[1]), port(inboxes[1], inboxes[0])];
}
