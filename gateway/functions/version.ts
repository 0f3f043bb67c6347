/** One version of a function as the registry holds it, and what can be said and done about it alone. */
import { DawnletError } from "../../kernels/errors.ts";
import type { FunctionDevice } from "../devices/function-device.ts";
import { KnownDamage } from "./damage.ts";
import type { FunctionVersion, HandlerDescription } from "./functions.ts";
import { Strikes } from "./quarantine.ts";
import type { HandlerSource, VersionRecord } from "./record.ts";
import type { Servable } from "./servable.ts";

export interface Version {
  readonly name: string;
  readonly number: number;
  record: VersionRecord;
  servable: Servable;
  readonly device: FunctionDevice;
  /** Made once and replaced when the engine changes: the hot path only reads it. */
  status: FunctionVersion;
  /** Devices that it has lost. */
  readonly strikes: Strikes;
  readonly damage: KnownDamage;
  /** Calls that are running. */
  running: number;
  /** Called when no call is running any more. */
  onIdle?: () => void;
}

/** One that has not been called yet. */
export function newVersion(
  parts: Pick<Version, "name" | "number" | "record" | "servable" | "device">,
): Version {
  const described = { ...parts, damage: new KnownDamage() };
  return { ...described, status: statusOf(described), strikes: new Strikes(), running: 0 };
}

/** By number or digest; left out: the current one. @throws DawnletError NOT_FOUND */
export function findVersion(versions: readonly Version[], wanted: string | undefined): Version {
  const current = versions.at(-1)!;
  if (wanted === undefined) return current;
  const found = versions.find(
    ({ number, record }) =>
      `${number}` === wanted || (wanted.length >= 8 && record.digest.startsWith(wanted)),
  );
  if (found !== undefined) return found;
  const known = versions.map(({ number }) => number).join(", ");
  throw new DawnletError(
    "NOT_FOUND",
    `Function '${current.name}' has no version '${wanted}': there are ${known}`,
  );
}

/** How long calls of a version that was removed may take. */
const drainMs = 30_000;

/** Lets running calls finish, then frees what the version holds. It must not be found any more. */
export async function retire(version: Version): Promise<void> {
  if (version.running > 0) {
    const { promise, resolve } = Promise.withResolvers<void>();
    version.onIdle = resolve;
    const timer = setTimeout(resolve, drainMs);
    await promise;
    clearTimeout(timer);
  }
  await version.servable.dispose();
}

export function statusOf(
  version: Pick<Version, "name" | "number" | "record" | "servable" | "damage" | "device">,
): FunctionVersion {
  const { name, number, record, servable } = version;
  const { digest, tenant, createdAt, sizeBytes, signature, source, quarantine } = record;
  const damage = version.damage.first;
  const { misfits } = version.device;
  return {
    name,
    ...(tenant !== undefined && { tenant }),
    version: number,
    digest,
    kind: source.type,
    createdAt,
    sizeBytes,
    signature,
    engine: servable.engine,
    ...(servable.batching && { batching: servable.batching }),
    ...(source.type === "handler" && { handler: describeHandler(source) }),
    ...(quarantine && { quarantine }),
    ...(damage && { damage }),
    ...(misfits && { misfits }),
  };
}

function describeHandler({ entry, uses, hosts, secrets }: HandlerSource): HandlerDescription {
  return { entry, uses, hosts, secrets };
}

export function checkOutputs({ name, status }: Version, outputs: readonly string[]): void {
  const known = status.signature.outputs.map((output) => output.name);
  const twice = outputs.find((output, i) => outputs.indexOf(output) !== i);
  if (twice !== undefined)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot answer with output '${twice}' as it is asked for twice`,
    );
  const unknown = outputs.find((output) => !known.includes(output));
  if (unknown !== undefined)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Function '${name}' has no output '${unknown}': it has ${known.map((one) => `'${one}'`).join(", ")}`,
    );
}
