/** The near side of a worker, over a MessageChannel: its end is heard by whoever holds the port. */
import { expect, test, vi } from "vitest";
import { WorkerLink } from "../../../runtime/platform/worker-link.ts";

function link() {
  const { port1, port2 } = new MessageChannel();
  const terminate = vi.fn();
  return { link: new WorkerLink(port1, terminate), terminate, far: port2 };
}

test("terminating closes the Port and ends the worker", async () => {
  const { link: worker, terminate } = link();
  const { port } = worker;
  await worker.terminate();
  await port.closed;
  expect(terminate).toHaveBeenCalledOnce();
});

test("a Port that is asked for after the end is closed", async () => {
  const { link: worker } = link();
  worker.end();
  await worker.port.closed;
});

test("the MessagePort gets one `close` event when the worker has ended", () => {
  const { link: worker, far } = link();
  const closed = vi.fn();
  worker.messagePort.addEventListener("close", closed);
  expect(closed).not.toHaveBeenCalled();
  worker.end();
  worker.end();
  expect(closed).toHaveBeenCalledOnce();
  far.close();
});
