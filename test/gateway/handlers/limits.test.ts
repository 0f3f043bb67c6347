import { describe, expect, it } from "vitest";
import {
  checkLimits,
  defaultHandlerLimits,
  maxHandlerLimits,
  resolveLimits,
} from "../../../gateway/handlers/limits.ts";

describe("resolveLimits()", () => {
  it("takes what is stated, up to the maximum, and defaults for the rest", () => {
    expect(resolveLimits({})).toEqual(defaultHandlerLimits);
    const stated = { cpuMs: maxHandlerLimits.cpuMs, gpuShare: 0.25 };
    expect(resolveLimits(stated)).toEqual({ ...defaultHandlerLimits, ...stated });
  });

  it("lowers defaults to what the server allows", () => {
    const maxima = { ...maxHandlerLimits, instances: 2, memoryBytes: 1000 };
    expect(resolveLimits({}, maxima)).toEqual({ ...defaultHandlerLimits, instances: 2, memoryBytes: 1000 });
  });

  it("lowers what was stated, where the server allows less than it did", () => {
    expect(resolveLimits({ instances: 3 }, { ...maxHandlerLimits, instances: 2 }).instances).toBe(2);
  });
});

describe("checkLimits()", () => {
  it("refuses what is above the maximum, with limit, value and maximum", () => {
    expect(() => checkLimits({ instances: 17 })).toThrow(
      "limits.instances in its function.json is 17: this server allows 16",
    );
    expect(() => checkLimits({ instances: 3 }, { ...maxHandlerLimits, instances: 2 })).toThrow(
      "this server allows 2",
    );
  });

  it("takes what is at the maximum", () => {
    expect(() => checkLimits({ instances: maxHandlerLimits.instances })).not.toThrow();
  });
});
