/**
 * Makes device processes ready that have just started: has each open its device, and remembers from one to the next how
 * bytes reach the adapter fastest. It starts and ends none.
 */
import { DeviceClient, type OpenParams } from "../device/protocol.ts";
import type { GroupUsage } from "../device/session-messages.ts";
import type { UploadChoice } from "../device/upload-path.ts";
import type { Port } from "../port/port.ts";
import type { RpcClient } from "../port/rpc-client.ts";
import type { OpenLink } from "./gpu-link.ts";
import { GpuSessions } from "./gpu-sessions.ts";
import { OpenedDevice } from "./opened-device.ts";

/** What happens to GPU sessions. */
export interface OpenerEvents {
  /** The device of these does not recover from what one has it do. */
  stuck(sessions: GpuSessions, link: OpenLink): void;
  usage(usage: GroupUsage): void;
}

export class DeviceOpener {
  readonly #params: OpenParams;
  readonly #on: OpenerEvents;
  /** Once that was measured. */
  #upload: UploadChoice | undefined;

  constructor(params: OpenParams, on: OpenerEvents) {
    this.#params = params;
    this.#on = on;
  }

  /** @param port the stream of the process that is for GPU sessions. @throws DawnletError as DeviceClient.open. */
  async open(rpc: RpcClient, port: Port): Promise<OpenedDevice> {
    const client = new DeviceClient(rpc);
    const sessions: GpuSessions = new GpuSessions(port, {
      stuck: (link) => this.#on.stuck(sessions, link),
      usage: (usage) => this.#on.usage(usage),
    });
    const description = await client.open({ ...this.#params, upload: this.#upload });
    const device = new OpenedDevice(client, sessions, description);
    this.#measureUpload(device);
    void rpc.closed.then(() => device.close());
    return device;
  }

  /** In the first process on a GPU, behind whatever is asked of it. On software adapters `writeBuffer` is the fastest. */
  #measureUpload({ client, description }: OpenedDevice): void {
    if (this.#upload !== undefined || description.adapter.isSoftware) return;
    client.measureUpload().then(
      (choice) => {
        this.#upload = choice;
      },
      // No room, or no device any more: the next process tries again.
      () => undefined,
    );
  }
}
