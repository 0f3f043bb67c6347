/**
 * The answer of a deploy that tells its progress: lines of JSON, `{"phase", "message"}` as they come and at
 * the end one with either `result` or `error` and `code`. Its status is 200 before the outcome is known.
 */
import type { DeployProgress, DeployResult } from "../functions/functions.ts";
import { errorReply } from "../http/error-response.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Reply } from "../http/reply.ts";

export type Deploy = (onProgress: (progress: DeployProgress) => void) => Promise<DeployResult>;

export function progressReply(exchange: Exchange, deploy: Deploy): Reply {
  const encoder = new TextEncoder();
  // A client that stops reading does not stop a deploy: it is all or nothing, and nearly done after upload.
  let isOpen = true;
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const write = (line: string) => {
        if (isOpen) controller.enqueue(encoder.encode(`${line}\n`));
      };
      const last = await deploy(({ phase, message }) => write(JSON.stringify({ phase, message }))).then(
        (result) => JSON.stringify({ result }),
        // The same body as that of an error answer, on one line.
        (thrown: unknown) => String(errorReply(thrown, exchange).body),
      );
      write(last);
      if (isOpen) controller.close();
    },
    cancel() {
      isOpen = false;
    },
  });
  return { status: 200, headers: { "content-type": "application/x-ndjson" }, body };
}
