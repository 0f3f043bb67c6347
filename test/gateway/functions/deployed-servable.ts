/**
 * A deployed version as the registry opens it, for tests of what only the scheduler sees: prepared calls and batches. It
 * runs on the gateway's own device, and keeps what it compiles in the version's record.
 */

import type { CallTensors } from "../../../gateway/devices/call-tensor.ts";
import { FunctionDevice } from "../../../gateway/devices/function-device.ts";
import { openServable } from "../../../gateway/functions/open-servable.ts";
import type { BatchGroup, PreparedProgram } from "../../../gateway/functions/prepared-call.ts";
import { servedBy } from "../../../gateway/functions/prepared-call.ts";
import { parseVersionRecord, type VersionRecord } from "../../../gateway/functions/record.ts";
import type { Servable, ServedCall } from "../../../gateway/functions/servable.ts";
import { defaultMemorySettings } from "../../../kernels/manifest/memory-settings.ts";
import type { Tensor } from "../../../kernels/tensor.ts";
import type { TestGateway } from "../../e2e/running-gateway.ts";

const { signal } = new AbortController();

export interface CallOptions {
  readonly parameters?: Readonly<Record<string, number>>;
  readonly outputs?: readonly string[];
  readonly keep?: "all";
}

export class DeployedServable {
  readonly servable: Servable;
  readonly device: FunctionDevice;
  /** As it is stored by now. */
  readonly record: () => VersionRecord;

  static async open({ gateway }: TestGateway, name: string): Promise<DeployedServable> {
    const { backends } = gateway;
    const { functions } = backends.store;
    const { version, record } = (await functions.read(name, parseVersionRecord))!.versions.at(-1)!;
    const device = new FunctionDevice(backends.devices, { name, version, settings: defaultMemorySettings });
    let current = record;
    const servable = openServable({
      backends: { ...backends, device },
      ...{ name, number: version, record },
      save: async (source) => {
        current = { ...record, source };
        await functions.writeVersion(name, version, current);
      },
    });
    return new DeployedServable(servable, device, () => current);
  }

  constructor(servable: Servable, device: FunctionDevice, record: () => VersionRecord) {
    this.servable = servable;
    this.device = device;
    this.record = record;
  }

  async prepare(inputs: CallTensors, options: CallOptions = {}): Promise<PreparedProgram> {
    const { parameters = {}, ...rest } = options;
    const prepared = await this.servable.prepare!({ inputs, parameters, signal, ...rest });
    if (prepared.type !== "program") throw new Error("The call is no run on the device");
    return prepared;
  }

  async runAlone(call: PreparedProgram): Promise<ServedCall["outputs"]> {
    const { program, inputs, keep } = call;
    return servedBy(call, await this.device.run(program, inputs, signal, keep)).outputs;
  }

  /** As one run. */
  async runMerged(calls: readonly PreparedProgram[]): Promise<readonly ServedCall["outputs"][]> {
    const merged = groupOf(calls[0]!).merge(calls);
    const run = await this.device.run(merged.program, merged.inputs, signal);
    return merged.split(run).map((part, i) => servedBy(calls[i]!, part).outputs);
  }
}

export function groupOf({ batch }: PreparedProgram): BatchGroup {
  if (batch === undefined) throw new Error("The call cannot run with others");
  return batch.group;
}

export function bytesOf(outputs: ServedCall["outputs"]): readonly Uint8Array[] {
  return outputs.map(({ tensor }) => (tensor as Tensor).data);
}
