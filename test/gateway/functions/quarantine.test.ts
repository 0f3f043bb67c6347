import { expect, test } from "vitest";
import {
  isBlamed,
  quarantineError,
  Strikes,
  TenantStrikes,
  tenantQuarantineError,
} from "../../../gateway/functions/quarantine.ts";
import { DawnletError } from "../../../kernels/errors.ts";

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute));

test("the third strike is one too many, and says why", () => {
  const strikes = new Strikes();
  expect(strikes.note("first", at(0))).toBeUndefined();
  expect(strikes.note("second", at(1))).toBeUndefined();
  const quarantine = strikes.note("it hung", at(2));
  expect(quarantine).toEqual({ since: at(2).toISOString(), strikes: 3, reason: "it hung" });
  expect(quarantineError("f", 2, quarantine!)).toMatchObject({
    code: "QUARANTINED",
    message: expect.stringMatching(
      /'f' as version 2 .*3 times, at last because: it hung.*\/v1\/functions\/f\/quarantine/,
    ),
  });
});

test("strikes are forgotten after an hour without another, and not before", () => {
  const strikes = new Strikes();
  strikes.note("first", at(0));
  strikes.note("second", at(60));
  expect(strikes.at(at(120))).toBe(2);
  expect(strikes.at(at(121))).toBe(0);
  expect(strikes.note("another first", at(121))).toBeUndefined();
  expect(strikes.at(at(121))).toBe(1);
});

test("strikes are gone once they are cleared", () => {
  const strikes = new Strikes();
  for (const minute of [0, 1, 2]) strikes.note("again", at(minute));
  strikes.clear();
  expect(strikes.note("once", at(3))).toBeUndefined();
});

test("the sixth strike of a tenant within an hour is one too many, for an hour", () => {
  const strikes = new TenantStrikes();
  for (const minute of [0, 10, 20, 30, 40]) expect(strikes.note("earlier", at(minute))).toBeUndefined();
  expect(strikes.at(at(59))).toBeUndefined();
  const quarantine = strikes.note("it hung", at(59));
  const stated = {
    ...{ since: at(59).toISOString(), until: at(119).toISOString() },
    ...{ strikes: 6, reason: "it hung" },
  };
  expect(quarantine).toEqual(stated);
  // What had begun before does not make it longer.
  expect(strikes.note("another", at(60))).toBeUndefined();
  expect(strikes.at(at(118))).toEqual(stated);
  expect(strikes.at(at(119))).toBeUndefined();
  expect(tenantQuarantineError("call function 'f'", "acme", quarantine!)).toMatchObject({
    code: "QUARANTINED",
    message: expect.stringMatching(
      /^Cannot call function 'f' as all functions of tenant 'acme' .*6 times.*it hung/,
    ),
  });
});

test("six strikes of a tenant in more than an hour are not too many, and a quarantine that is lifted begins anew", () => {
  const strikes = new TenantStrikes();
  for (const minute of [0, 10, 20, 30, 40, 60, 70]) expect(strikes.note("again", at(minute))).toBeUndefined();
  expect(strikes.note("again", at(71))).toMatchObject({ strikes: 6 });
  strikes.clear();
  expect(strikes.at(at(72))).toBeUndefined();
  expect(strikes.note("once", at(72))).toBeUndefined();
});

test("only an error that says so is a strike", () => {
  const details = { isBlamed: true };
  expect(isBlamed(new DawnletError("TIME_LIMIT_EXCEEDED", "too long", { details }))).toBe(true);
  expect(isBlamed(new DawnletError("DEVICE_LOST", "gone"))).toBe(false);
  expect(isBlamed(new Error("no error of ours"))).toBe(false);
});
