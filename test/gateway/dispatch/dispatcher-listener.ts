/** What devices tell the dispatcher of a test, which is made after them. */
import type { DeviceSetListener } from "../../../gateway/devices/device-events.ts";
import type { Dispatcher } from "../../../gateway/dispatch/dispatcher.ts";

export function listenerOf(dispatcher: () => Dispatcher): DeviceSetListener {
  return {
    resident: (...told) => dispatcher().resident(...told),
    evicted: (device, id) => dispatcher().evicted(device, id),
    loadMeasured: (...told) => dispatcher().loadMeasured(...told),
    budget: (...told) => dispatcher().budget(...told),
    pinned: (id) => dispatcher().pinned(id),
    up: (device) => dispatcher().up(device),
    down: (device) => dispatcher().down(device),
  };
}
