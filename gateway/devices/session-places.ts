/** On which device each group of GPU sessions is: all of a group on one, as long as it has any. */
import type { GpuLink, GpuSessionOptions } from "../../runtime/supervisor/gpu-link.ts";
import { leastSessions, type SessionDevice } from "../scheduler/placement/session-place.ts";
import type { DeviceMember } from "./device-member.ts";

interface Group {
  readonly device: DeviceMember;
  /** Sessions that are open, or being opened. */
  sessions: number;
}

export class SessionPlaces {
  readonly #devices: readonly DeviceMember[];
  readonly #groups = new Map<string, Group>();

  constructor(devices: readonly DeviceMember[]) {
    this.#devices = devices;
  }

  /** @throws DawnletError as ManagedDevice.openSession. */
  async open(options: GpuSessionOptions): Promise<GpuLink> {
    const { group: name } = options;
    const group = this.#groups.get(name) ?? { device: this.#choose(), sessions: 0 };
    this.#groups.set(name, group);
    group.sessions++;
    const left = () => {
      if (--group.sessions === 0) this.#groups.delete(name);
    };
    try {
      const link = await group.device.managed.openSession(options);
      void link.ended.then(left);
      return link;
    } catch (error) {
      left();
      throw error;
    }
  }

  #choose(): DeviceMember {
    const counts = new Map<DeviceMember, number>();
    for (const { device } of this.#groups.values()) counts.set(device, (counts.get(device) ?? 0) + 1);
    const seen = this.#devices.map((device): SessionDevice => {
      const { index, kind, isUp, queuedMs, managed } = device;
      const sessionGroups = counts.get(device) ?? 0;
      return { index, kind, isUp, queuedMs, sessionBytes: managed.sessionBytes, sessionGroups };
    });
    return this.#devices[leastSessions(seen)]!;
  }
}
