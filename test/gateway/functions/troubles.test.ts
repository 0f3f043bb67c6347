import { beforeEach, describe, expect, test } from "vitest";
import { Strikes } from "../../../gateway/functions/quarantine.ts";
import { Troubles } from "../../../gateway/functions/troubles.ts";
import type { Version } from "../../../gateway/functions/version.ts";
import { DawnletError } from "../../../kernels/errors.ts";

let minute: number;
let troubles: Troubles;

beforeEach(() => {
  minute = 0;
  troubles = new Troubles({
    versions: () => [],
    keep: async () => {},
    isTenant: (name) => name === "acme" || name === "beta",
    now: () => new Date(Date.UTC(2026, 0, 1, 0, minute)),
  });
});

/** As far as strikes and quarantine look at one. */
function versionOf(tenant: string | undefined, name = "f"): Version {
  const record = { tenant, signature: {}, source: { type: "wgsl" } };
  const rest = { servable: {}, device: {}, damage: {}, strikes: new Strikes() };
  return { name, number: 1, record, ...rest } as unknown as Version;
}

const loss = () => new DawnletError("TIME_LIMIT_EXCEEDED", "it hung", { details: { isBlamed: true } });

/** Loses the device so often, each time with another function, or another version of it. */
async function lose(tenant: string | undefined, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await troubles.failed(versionOf(tenant), loss());
}

describe("a tenant whose functions lose the device", () => {
  test("has all of them in quarantine after six times, however they were deployed, and others have not", async () => {
    await lose("acme", 5);
    expect(troubles.refusalOf(versionOf("acme", "new"))).toBeUndefined();
    await lose("acme", 1);
    expect(troubles.refusalOf(versionOf("acme", "new"))).toMatchObject({
      code: "QUARANTINED",
      message: expect.stringContaining("Cannot call function 'new' as all functions of tenant 'acme'"),
    });
    expect(troubles.quarantineOf(versionOf("acme", "new"))).toMatchObject({ strikes: 6, reason: "it hung" });
    expect(() => troubles.refuseDeploy("another", "acme")).toThrow(
      /Cannot deploy function 'another'.*'acme'/,
    );
    for (const other of ["beta", undefined]) {
      expect(troubles.refusalOf(versionOf(other))).toBeUndefined();
      troubles.refuseDeploy("another", other);
    }
    minute = 60;
    expect(troubles.refusalOf(versionOf("acme", "new"))).toBeUndefined();
  });

  test("may call again once it is lifted, which is said once", async () => {
    expect(troubles.liftTenant("acme")).toBe(false);
    await lose("acme", 6);
    expect(troubles.liftTenant("acme")).toBe(true);
    expect(troubles.refusalOf(versionOf("acme"))).toBeUndefined();
    expect(troubles.liftTenant("acme")).toBe(false);
  });

  test("has what its deploys lose counted, once each", async () => {
    for (let i = 0; i < 6; i++) {
      expect(() => troubles.refuseDeploy("f", "acme")).not.toThrow();
      const cause = loss();
      troubles.deployFailed("acme", new DawnletError("TIME_LIMIT_EXCEEDED", "Cannot deploy", { cause }));
      troubles.deployFailed("acme", new DawnletError("TIME_LIMIT_EXCEEDED", "Cannot deploy", { cause }));
      // No loss, and none of its own.
      troubles.deployFailed("acme", new DawnletError("INVALID_BUNDLE", "Cannot read it"));
      troubles.deployFailed("acme", new DawnletError("DEVICE_LOST", "gone"));
    }
    expect(() => troubles.refuseDeploy("f", "acme")).toThrow(DawnletError);
  });

  test("has none where it is the operator, or nobody that the gateway knows", async () => {
    for (const nobody of [undefined, "former"]) {
      await lose(nobody, 20);
      expect(troubles.refusalOf(versionOf(nobody))).toBeUndefined();
      troubles.refuseDeploy("f", nobody);
    }
  });

  test("is told of a version's own quarantine by whom it is lifted", async () => {
    for (const [tenant, how] of [
      ["acme", /ask the operator/],
      [undefined, /DELETE \/v1\/functions\/f\/quarantine/],
    ] as const) {
      const version = versionOf(tenant);
      const damage = { first: undefined };
      Object.assign(version, { damage });
      for (let i = 0; i < 3; i++) await troubles.failed(version, loss());
      expect(troubles.refusalOf(version)?.message).toMatch(how);
    }
  });
});
