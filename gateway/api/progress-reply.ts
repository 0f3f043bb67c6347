/**
 * The answer of work that tells its progress, as a deploy: lines of JSON, `{"phase", "message"}` as they come and at the
 * end one with either `result` or `error` and `code`. Its status is 200 before the outcome is known.
 */
import { errorReply } from "../http/error-response.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Reply } from "../http/reply.ts";

export interface Progress {
  readonly phase: string;
  readonly message: string;
}

/** @returns what is told as `result`. */
export type ToldWork = (onProgress: (progress: Progress) => void) => Promise<unknown>;

/**
 * @param onGone the client has stopped reading. Left out: that ends nothing, as a deploy is all or nothing, and nearly
 * done after the upload.
 */
export function progressReply(exchange: Exchange, work: ToldWork, onGone: () => void = () => {}): Reply {
  const encoder = new TextEncoder();
  exchange.worksPastAnswer = true;
  let isOpen = true;
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const write = (line: string) => {
        if (isOpen) controller.enqueue(encoder.encode(`${line}\n`));
      };
      const last = await work(({ phase, message }) => write(JSON.stringify({ phase, message }))).then(
        (result) => JSON.stringify({ result }),
        // The same body as that of an error answer, on one line.
        (thrown: unknown) => String(errorReply(thrown, exchange).body),
      );
      exchange.release();
      write(last);
      if (isOpen) controller.close();
    },
    cancel() {
      isOpen = false;
      onGone();
    },
  });
  return { status: 200, headers: { "content-type": "application/x-ndjson" }, body };
}

/** Whether the client asks for it: `Accept: application/x-ndjson`. */
export function wantsProgress(request: Request): boolean {
  return request.headers.get("accept")?.includes("application/x-ndjson") === true;
}
