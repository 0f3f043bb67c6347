/** A managed device as a gateway has it, with nothing in front: a device process over a store, and who uses it. */
import { join } from "node:path";
import { platform } from "#platform";
import { DeviceSet } from "../../gateway/devices/device-set.ts";
import { FunctionDevice } from "../../gateway/devices/function-device.ts";
import type { ManagedDevice } from "../../gateway/devices/managed-device.ts";
import { firstReserve } from "../../gateway/devices/weight-budget.ts";
import type { EvictionPolicy } from "../../gateway/scheduler/eviction/policy.ts";
import type { Store } from "../../gateway/store/store.ts";
import { defaultMemorySettings } from "../../kernels/manifest/memory-settings.ts";
import type { FoundAdapter } from "../../runtime/adapter/find-adapter.ts";
import { DeviceProcess } from "../../runtime/supervisor/device-process.ts";
import type { CallCase, DensityFunction } from "./functions.ts";

export interface DensitySetup {
  readonly found: FoundAdapter;
  readonly store: Store;
  readonly functions: readonly DensityFunction[];
  /** Of all weights. */
  readonly weightBytes: number;
}

export interface ManagedOptions {
  readonly policy: EvictionPolicy;
  /** How many times the weights are what the device has room for. */
  readonly multiple: number;
  /** How many times as fast the policy's clock goes. */
  readonly clockSpeed: number;
}

export interface ManagedFunctions extends AsyncDisposable {
  readonly device: ManagedDevice;
  readonly deviceBytes: number;
  /** Calls a function and compares what it gives. @throws DawnletError as ManagedDevice.run. */
  call(index: number, variant: CallCase, signal?: AbortSignal): Promise<boolean>;
  /** Calls each function alone, once with each of its inputs. @returns how many gave another output than they should. */
  callEach(): Promise<number>;
}

/** Beyond their sum, for rounding, and for staging that takes more than what is kept for it. */
const slack = 1.1;

/** What the device may allocate so that weights get their part of it. */
export function deviceBytesFor(weightBytes: number, multiple: number): number {
  const wanted = Math.ceil((slack * weightBytes) / multiple);
  let deviceBytes = wanted;
  while (deviceBytes - firstReserve(deviceBytes) < wanted)
    deviceBytes += wanted - (deviceBytes - firstReserve(deviceBytes));
  return deviceBytes;
}

export async function openManaged(
  { found, store, functions, weightBytes }: DensitySetup,
  { policy, multiple, clockSpeed }: ManagedOptions,
): Promise<ManagedFunctions> {
  const { implementation, backend } = found.gpuOptions;
  const { isSoftware } = found.description.adapter;
  const deviceBytes = deviceBytesFor(weightBytes, multiple);
  const process = new DeviceProcess({
    platform,
    environment: found.environment,
    open: {
      ...{ implementation, backend, isSoftware },
      budgetBytes: deviceBytes,
      // All of them, and what rounding takes.
      hostBudgetBytes: Math.ceil(weightBytes * 1.1),
      blobFolder: join(store.folder, "blobs"),
    },
    onLine: (line) => console.error(line),
    onExit: () => device.restarted(),
  });
  const now = () => performance.now() * clockSpeed;
  const devices = [{ link: process, kind: isSoftware ? "software" : "gpu", deviceBytes }] as const;
  const set = new DeviceSet({ devices, policy, now });
  const device = set.devices[0]!.managed;
  const settings = defaultMemorySettings;
  const owned = functions.map(({ name }) => new FunctionDevice(set, { name, version: 1, settings }));
  await device.describe();
  const call = async (index: number, { inputs, output }: CallCase, signal?: AbortSignal) => {
    const { outputs } = await owned[index]!.run(functions[index]!.program, inputs, signal);
    const [given] = outputs;
    return outputs.length === 1 && given instanceof Uint8Array && Buffer.compare(given, output) === 0;
  };
  return {
    device,
    deviceBytes,
    call,
    callEach: async () => {
      let wrong = 0;
      for (const [index, { cases }] of functions.entries())
        for (const one of cases) if (!(await call(index, one))) wrong++;
      return wrong;
    },
    [Symbol.asyncDispose]: () => device.stop(),
  };
}
