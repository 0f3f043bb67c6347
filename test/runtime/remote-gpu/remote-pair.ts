/** A client and an owner of a device in one process. Messages between them are copied and come later, as over a Port. */

import type { Message } from "../../../runtime/port/port.ts";
import { RemoteDevice } from "../../../runtime/remote-gpu/client/device.ts";
import { Budget } from "../../../runtime/remote-gpu/server/budget.ts";
import { describeRemote } from "../../../runtime/remote-gpu/server/describe.ts";
import { RemoteSession } from "../../../runtime/remote-gpu/server/session.ts";

export interface RemotePair {
  readonly remote: RemoteDevice;
  readonly session: RemoteSession;
  /** Of the session. */
  readonly budget: Budget;
  /** Waits until both sides have heard all that was sent so far. */
  settled(): Promise<void>;
}

export interface RemotePairOptions {
  readonly budgetBytes?: number;
  readonly isBatched?: boolean;
}

export function remotePair(
  device: GPUDevice,
  { budgetBytes = 2 ** 28, isBatched }: RemotePairOptions = {},
): RemotePair {
  let delivered = Promise.resolve();
  const later = (receive: (message: Message) => void) => (message: Message) => {
    const copy = structuredClone({ header: message.header, attachments: message.attachments });
    delivered = delivered.then(() => receive(copy));
  };
  const budget = new Budget(budgetBytes);
  const session: RemoteSession = new RemoteSession({
    device,
    budget,
    send: later((message) => remote.connection.receive(message)),
  });
  const remote: RemoteDevice = new RemoteDevice({
    adapter: describeRemote(device),
    send: later((message) => session.receive(message)),
    ...(isBatched !== undefined && { isBatched }),
  });
  const settled = async () => {
    remote.connection.flush();
    for (let before: Promise<void> | undefined; before !== delivered; ) {
      before = delivered;
      await before;
    }
  };
  return { remote, session, budget, settled };
}
