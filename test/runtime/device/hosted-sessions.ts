/** A SessionHost and clients of its sessions in one process. What passes between them is copied, as over a Port. */
import type { SessionHost } from "../../../runtime/device/session-host.ts";
import type { FromHost, GroupUsage, ToHost } from "../../../runtime/device/session-messages.ts";
import type { Message } from "../../../runtime/port/port.ts";
import { RemoteDevice } from "../../../runtime/remote-gpu/client/device.ts";
import type { RemoteAdapterDescription } from "../../../runtime/remote-gpu/protocol.ts";

type Told<T extends FromHost["type"]> = FromHost & { readonly type: T };

export class HostedSessions {
  /** All that was told but data. */
  readonly told: FromHost[] = [];
  readonly #host: SessionHost;
  readonly #adapters = new Map<number, RemoteAdapterDescription>();
  readonly #clients = new Map<number, RemoteDevice>();
  #nextNumber = 1;

  /** @param host makes one that sends to what it is given. */
  constructor(host: (send: (message: Message) => void) => SessionHost) {
    this.#host = host((message) => this.#take(structuredClone(message)));
  }

  tell(header: ToHost, attachments: readonly Uint8Array[] = []): boolean {
    return this.#host.receive(structuredClone({ header, attachments }));
  }

  open(options: { group?: string; budgetBytes?: number; timeLimitMs?: number } = {}): {
    number: number;
    device: RemoteDevice;
  } {
    const number = this.#nextNumber++;
    const { group = `group ${number}`, budgetBytes = 2 ** 26, timeLimitMs = 10_000 } = options;
    this.tell({ type: "open", session: number, group, budgetBytes, timeLimitMs });
    const device = new RemoteDevice({
      adapter: this.#adapters.get(number)!,
      send: ({ header: data, attachments }) =>
        void this.tell({ type: "data", session: number, data }, attachments),
    });
    this.#clients.set(number, device);
    return { number, device };
  }

  close(number: number): void {
    this.tell({ type: "close", session: number });
  }

  all<T extends FromHost["type"]>(type: T): readonly Told<T>[] {
    return this.told.filter((one): one is Told<T> => one.type === type);
  }

  /** The last report of a group. */
  usageOf(group: string): GroupUsage | undefined {
    return this.all("usage")
      .flatMap(({ usage }) => usage)
      .findLast((one) => one.group === group);
  }

  #take({ header, attachments }: Message): void {
    const told = header as FromHost;
    if (told.type === "data")
      this.#clients.get(told.session)?.connection.receive({ header: told.data, attachments });
    else this.told.push(told);
    if (told.type === "opened") this.#adapters.set(told.session, told.adapter);
  }
}

/** What creating a buffer gives: null where there is room. */
export async function bufferError(device: GPUDevice, size: number): Promise<string | null> {
  device.pushErrorScope("validation");
  device.pushErrorScope("out-of-memory");
  device.createBuffer({ size, usage: 0x80 });
  const [memory, validation] = [device.popErrorScope(), device.popErrorScope()];
  return (await memory)?.constructor.name ?? (await validation)?.constructor.name ?? null;
}

/** Adds one to each of 64 numbers so many times, in one dispatch. */
export async function spin(device: GPUDevice, rounds: number): Promise<void> {
  const code = `
@group(0) @binding(0) var<storage, read_write> sums: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
  for (var round = 0u; round < ${rounds}u; round++) { sums[i] = sums[i] * 31u + round; }
}`;
  const module = device.createShaderModule({ code });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const buffer = device.createBuffer({ size: 256, usage: 0x80 });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(1);
  pass.end();
  device.queue.submit([encoder.finish()]);
}
