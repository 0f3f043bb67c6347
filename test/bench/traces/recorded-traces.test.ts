import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { callsByFunction } from "../../../bench/traces/arrivals.ts";
import { parseInvocations } from "../../../bench/traces/invocations.ts";
import { callsOf, minutesOf } from "../../../bench/traces/minute-trace.ts";
import { readAzureSample, readTorporTrace } from "../../../bench/traces/shared-traces.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { expectInOrder } from "./chance.ts";

describe("parseInvocations()", () => {
  it("gives single calls in the order of time, functions in that of the lines", () => {
    const { arrivals, names } = parseInvocations("function,start_s,duration_s\nb,2.5,0.1\na,0.5,3\nb,1,0\n");
    expect(names).toEqual(["b", "a"]);
    expect([...arrivals.timesMs]).toEqual([500, 1000, 2500]);
    expect([...arrivals.functionOf]).toEqual([1, 0, 0]);
    expect([...arrivals.tookMs]).toEqual([3000, 0, 100]);
    expect([arrivals.functions, arrivals.durationMs]).toEqual([2, 3000]);
  });

  it.each([["a,1"], ["a,1,2,3"], ["a,soon,1"], ["a,1,-1"], [",1,1"]])("refuses the line '%s'", (line) => {
    expect(() => parseInvocations(`function,start_s,duration_s\n${line}\n`)).toThrow(`'${line}'`);
    expect(() => parseInvocations("function,start_s,duration_s\na,1,1\n")).not.toThrow();
  });
});

async function orUndefined<T>(read: () => Promise<T>): Promise<T | undefined> {
  return await read().catch((error: unknown) => {
    if (error instanceof DawnletError && error.code === "NOT_FOUND") return undefined;
    throw error;
  });
}

describe("the recorded traces", () => {
  it("Torpor's has 203 functions, 31 minutes, and 9.8 calls a minute and function", async (context) => {
    const trace = await orUndefined(() => readTorporTrace());
    if (trace === undefined) return context.skip("../shared/traces/torpor-203x31.csv is missing");
    expect([trace.length, minutesOf(trace)]).toEqual([203, 31]);
    expect(callsOf(trace) / 203 / 31).toBeCloseTo(9.8, 1);
  });

  it("Azure's sample has 199 calls of 31 functions, and how long they took", async (context) => {
    const trace = await orUndefined(() => readAzureSample());
    if (trace === undefined) return context.skip("../shared/traces/azure2021-198.csv is missing");
    expectInOrder(trace.arrivals);
    expect(trace.arrivals.timesMs.length).toBe(199);
    expect(callsByFunction(trace.arrivals).every((calls) => calls > 0)).toBe(true);
    expect(trace.arrivals.functions).toBe(31);
    expect(trace.arrivals.tookMs.every((ms) => ms >= 0)).toBe(true);
  });

  it("are read from another folder where one is named, and missed by name where they are not there", async () => {
    const path = await mkdtemp(join(tmpdir(), "dawnlet-traces-"));
    try {
      const folder = pathToFileURL(`${path}/`);
      const missing = readTorporTrace(folder);
      await expect(missing).rejects.toThrow(join(path, "torpor-203x31.csv"));
      await expect(missing).rejects.toBeInstanceOf(DawnletError);
      await expect(readAzureSample(folder)).rejects.toThrow("'azure2021-198.csv'");
      await writeFile(join(path, "torpor-203x31.csv"), "function,minute0\nf0,3\n");
      expect(await readTorporTrace(folder)).toEqual([[3]]);
    } finally {
      await rm(path, { recursive: true });
    }
  });
});
