/** A child process that answers requests, and asks its parent: for tests. */
import { platform } from "#platform";
import { DawnletError } from "../../../../../kernels/errors.ts";
import { FetchPeer } from "../../../../../runtime/port/fetch/fetch-peer.ts";

let cancelled = "nothing";

const peer: FetchPeer = new FetchPeer({
  port: await platform.connectParent(),
  serve: async (request) => {
    switch (new URL(request.url).pathname) {
      case "/echo":
        return new Response(request.body, { headers: { method: request.method } });
      case "/relay":
        return peer.fetch(new Request("http://parent/asked", { method: "POST", body: await request.text() }));
      case "/events":
        return new Response(events(), { headers: { "content-type": "text/event-stream" } });
      case "/cancelled":
        return new Response(cancelled);
      case "/exit":
        return platform.exit(3);
      default:
        throw new DawnletError("NOT_FOUND", "Cannot find it");
    }
  },
});

/** Ten at once, then none until somebody gives up. */
function events(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (let index = 0; index < 10; index++)
        setTimeout(() => controller.enqueue(new TextEncoder().encode(`data: ${index}\n\n`)), index);
    },
    cancel(reason) {
      cancelled = reason instanceof DawnletError ? reason.code : String(reason);
    },
  });
}
