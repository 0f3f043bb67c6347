/**
 * On which device a pinned Program stays: one of them, so that it costs the others nothing. The one with the most room
 * that is not pinned away, and a GPU before a CPU.
 */
import type { DeviceMember } from "./device-member.ts";
import type { OwnedProgram } from "./owner.ts";

export class PinHomes {
  readonly #homes = new Map<string, DeviceMember>();

  has(id: string, device: number): boolean {
    return this.#homes.get(id)?.index === device;
  }

  get(id: string): DeviceMember | undefined {
    return this.#homes.get(id);
  }

  set(id: string, device: DeviceMember): void {
    this.#homes.set(id, device);
  }

  delete(id: string): void {
    this.#homes.delete(id);
  }

  /** In the order in which they are to be tried. */
  ranked({ id, weights }: OwnedProgram, devices: readonly DeviceMember[]): readonly DeviceMember[] {
    const bytes = weights.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const rooms = new Map(
      devices.map((device) => [device, device.budgetBytes - this.#pinnedBytes(device, id)]),
    );
    const rank = (device: DeviceMember) =>
      (rooms.get(device)! >= bytes ? 2 : 0) + (device.kind === "gpu" ? 1 : 0);
    return devices.toSorted((a, b) => rank(b) - rank(a) || rooms.get(b)! - rooms.get(a)!);
  }

  #pinnedBytes(device: DeviceMember, except: string): number {
    let bytes = 0;
    for (const [id, home] of this.#homes)
      if (home === device && id !== except) bytes += device.managed.residency.get(id)?.sizeBytes ?? 0;
    return bytes;
  }
}
