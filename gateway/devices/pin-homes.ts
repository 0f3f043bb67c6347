/**
 * On which device a pinned Program stays: one of them, so that it costs the others nothing. The one with the most room
 * that is not pinned away, and a GPU before a CPU. Where tenants share the devices, what is pinned for one of them may take
 * its share of half of each device's budget; what is beyond that has no home, and stays as what is not pinned does.
 */
import { formatBytes } from "../text.ts";
import type { DeviceMember } from "./device-member.ts";
import type { OwnedProgram, ProgramOwner } from "./owner.ts";
import type { Tenancy } from "./tenancy.ts";

/** Of each device's budget for weights, for pins of all tenants together. */
const tenantsPart = 1 / 2;

interface Pin {
  readonly device: DeviceMember;
  /** On whose account, of those who want it pinned; undefined: the operator's. */
  readonly tenant: string | undefined;
}

type Sized = Pick<OwnedProgram, "id" | "weights">;

export class PinHomes {
  readonly #tenancy: Tenancy;
  /** In the order in which they got one. */
  readonly #pins = new Map<string, Pin>();

  constructor(tenancy: Tenancy) {
    this.#tenancy = tenancy;
  }

  has(id: string, device: number): boolean {
    return this.#pins.get(id)?.device.index === device;
  }

  get(id: string): DeviceMember | undefined {
    return this.#pins.get(id)?.device;
  }

  get ids(): readonly string[] {
    return [...this.#pins.keys()];
  }

  delete(id: string): void {
    this.#pins.delete(id);
  }

  /**
   * Pins a Program on this device, in place of where it is pinned. Nothing changes where that is not to be.
   * @param pinning who wants it pinned.
   * @returns whether it is pinned there.
   */
  set(program: Sized, device: DeviceMember, pinning: readonly ProgramOwner[]): boolean {
    const payer = pinning.find((owner) => this.#missingBytes(program, device, owner) <= 0);
    if (payer === undefined) return false;
    this.#pins.set(program.id, { device, tenant: payer.tenant });
    return true;
  }

  /** In the order in which they are to be tried. */
  ranked({ id, weights }: Sized, devices: readonly DeviceMember[]): readonly DeviceMember[] {
    const bytes = weights.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const rooms = new Map(
      devices.map((device) => [device, device.budgetBytes - this.#pinnedBytes(device, id)]),
    );
    const rank = (device: DeviceMember) =>
      (rooms.get(device)! >= bytes ? 2 : 0) + (device.kind === "gpu" ? 1 : 0);
    return devices.toSorted((a, b) => rank(b) - rank(a) || rooms.get(b)! - rooms.get(a)!);
  }

  /** Why a Program of this owner is not pinned on this device. */
  refusal(program: Sized, device: DeviceMember, owner: ProgramOwner): string {
    const limit = this.#limitBytes(device, owner);
    const missing = this.#missingBytes(program, device, owner);
    return `functions of tenant '${owner.tenant}' may pin ${formatBytes(limit)} of weights on a device, and with this one they would have ${formatBytes(limit + missing)}`;
  }

  /** Beyond what the owner may pin there; 0 or less where it may. */
  #missingBytes({ id, weights }: Sized, device: DeviceMember, owner: ProgramOwner): number {
    const limit = this.#limitBytes(device, owner);
    if (limit === Number.POSITIVE_INFINITY) return Number.NEGATIVE_INFINITY;
    // Variants of a function share weights, which are there once.
    const bytes = new Map<string, number>();
    const add = (pinned: string, otherwise: OwnedProgram["weights"]) => {
      const { residency } = device.managed;
      for (const { digest, sizeBytes } of residency.get(pinned)?.weights ?? otherwise)
        bytes.set(digest, sizeBytes);
    };
    add(id, weights);
    for (const [other, pin] of this.#pins)
      if (pin.device === device && pin.tenant === owner.tenant) add(other, []);
    return [...bytes.values()].reduce((sum, one) => sum + one, 0) - limit;
  }

  #limitBytes({ budgetBytes }: DeviceMember, { tenant }: ProgramOwner): number {
    const share = this.#tenancy.shareOf(tenant);
    return share === undefined ? Number.POSITIVE_INFINITY : share * tenantsPart * budgetBytes;
  }

  #pinnedBytes(device: DeviceMember, except: string): number {
    let bytes = 0;
    for (const [id, pin] of this.#pins)
      if (pin.device === device && id !== except) bytes += device.managed.residency.get(id)?.sizeBytes ?? 0;
    return bytes;
  }
}
