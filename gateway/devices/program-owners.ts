/** Which functions use a Program: two that were deployed from the same model share it, and what they ask for adds up. */
import type { OwnedProgram, ProgramOwner } from "./owner.ts";
import type { ResidenceSettings } from "./residence.ts";

interface Owned {
  readonly program: OwnedProgram;
  readonly owners: Set<ProgramOwner>;
}

export class ProgramOwners {
  readonly #owned = new Map<string, Owned>();

  /** @returns false where this was known. */
  add(owner: ProgramOwner, program: OwnedProgram): boolean {
    const owned = this.#owned.get(program.id);
    if (owned === undefined) this.#owned.set(program.id, { program, owners: new Set([owner]) });
    else if (owned.owners.has(owner)) return false;
    else owned.owners.add(owner);
    return true;
  }

  remove(owner: ProgramOwner, id: string): void {
    const owned = this.#owned.get(id);
    if (owned === undefined) return;
    owned.owners.delete(owner);
    if (owned.owners.size === 0) this.#owned.delete(id);
  }

  isOwned(id: string): boolean {
    return this.#owned.has(id);
  }

  of(id: string): readonly ProgramOwner[] {
    return [...(this.#owned.get(id)?.owners ?? [])];
  }

  /** Undefined where nobody owns it. */
  program(id: string): OwnedProgram | undefined {
    return this.#owned.get(id)?.program;
  }

  /** The strongest that any owner asks for. */
  settings(id: string): ResidenceSettings {
    const owners = this.of(id);
    const all = owners.map(({ settings }) => settings);
    const tenants = new Set(owners.map(({ tenant = "" }) => tenant));
    const keepAlives = all.map(({ keepAliveMs }) => keepAliveMs ?? Number.POSITIVE_INFINITY);
    const keepAliveMs = Math.max(...keepAlives);
    return {
      isPinned: all.some(({ pin }) => pin),
      keepAliveMs: keepAliveMs === Number.POSITIVE_INFINITY ? undefined : keepAliveMs,
      // What several share counts as another's: none of them moves it among the others' functions.
      tenant: [...tenants].sort().join(),
      priority: Math.max(...all.map(({ priority }) => priority)),
    };
  }

  *pinned(): Generator<{ readonly owner: ProgramOwner; readonly program: OwnedProgram }> {
    for (const { program, owners } of this.#owned.values())
      for (const owner of owners) if (owner.settings.pin) yield { owner, program };
  }
}
