/**
 * `navigator.gpu` of a handler: devices of runtime/remote-gpu, whose messages go through the gateway to the process
 * that owns the GPU.
 */
import type { Message, Port } from "../port/port.ts";
import type { RpcClient } from "../port/rpc-client.ts";
import { RemoteAdapter, RemoteDevice, RemoteGpu } from "../remote-gpu/client/device.ts";
import type { RemoteAdapterDescription } from "../remote-gpu/protocol.ts";
import type { GpuHeader } from "./protocol.ts";

/** @param channel for the messages of devices. @param host opens them. */
export function remoteGpu(channel: Port, host: RpcClient): GPU {
  const devices = new Map<number, RemoteDevice>();
  let lastDevice = 0;
  channel.receive(({ header, attachments }) => {
    const { device, data } = header as GpuHeader;
    devices.get(device)?.connection.receive({ header: data, attachments });
  });

  const open = async (
    adapter: RemoteAdapterDescription,
    descriptor: GPUDeviceDescriptor,
  ): Promise<GPUDevice> => {
    const number = ++lastDevice;
    const send = (message: Message): void => {
      const header: GpuHeader = { device: number, data: message.header };
      channel.send({ ...message, header });
    };
    const device = new RemoteDevice({ adapter, send }, descriptor);
    // Before it is open: its loss may come with the answer.
    devices.set(number, device);
    await host.call("openDevice", number).catch((error: unknown) => {
      devices.delete(number);
      const message = error instanceof Error ? error.message : String(error);
      throw new DOMException(`Cannot open a device: ${message}`, "OperationError");
    });
    void device.lost.then(() => {
      devices.delete(number);
      const header: GpuHeader = { device: number };
      channel.send({ header, attachments: [] });
    });
    return device;
  };

  return new RemoteGpu(async () => {
    const { result } = await host.call("adapter");
    const adapter = result as RemoteAdapterDescription;
    return new RemoteAdapter(adapter, (descriptor) => open(adapter, descriptor));
  });
}
