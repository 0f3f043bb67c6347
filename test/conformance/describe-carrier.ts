/** The suite as vitest tests: one for each case and check, on a carrier. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { platform } from "#platform";
import type { DeviceDescription } from "../../runtime/device/api.ts";
import type { Carrier } from "./carriers/carrier.ts";
import { type MadeSuite, makeSuite, suiteNames } from "./cases.ts";
import type { Report } from "./suite.ts";

export interface CarrierTests {
  /** For people: "a device process with Dawn". */
  readonly name: string;
  /** Which implementation of WebGPU the device must be. */
  readonly implementation: DeviceDescription["adapter"]["implementation"];
  start(made: MadeSuite): Promise<Carrier>;
  /** The only one that starts it; the other has nothing to do with what is tried. Left out: both. */
  readonly runtime?: "node" | "deno";
}

/** Making it takes as long as trying it on a carrier: all of them are given the same. */
let made: Promise<MadeSuite> | undefined;

export function describeCarrier({ name, implementation, start, runtime }: CarrierTests): void {
  const isLeftOut = runtime !== undefined && runtime !== platform.runtime;
  if (isLeftOut) console.info(`The conformance suite in ${name} runs in ${runtime} only`);
  describe.skipIf(isLeftOut)(`the conformance suite in ${name}`, () => {
    let carrier: Carrier | undefined;
    const reports: Report[] = [];
    beforeAll(async () => {
      made ??= makeSuite();
      carrier = await start(await made);
      const { adapter } = carrier.description;
      console.info(`${name}: ${adapter.implementation}, ${adapter.description || adapter.architecture}`);
    }, 180_000);
    afterAll(async () => {
      if (carrier === undefined) return;
      const complaints = await carrier.close();
      console.info(summary(name, reports));
      expect(complaints).toEqual([]);
    });

    it(`runs on ${implementation}`, () => {
      expect(carrier?.description.adapter.implementation).toBe(implementation);
    });

    it.each(suiteNames)("%s", { timeout: 180_000 }, async (each) => {
      const report = await carrier!.run(each);
      reports.push(report);
      if (report.leftOut !== undefined) console.info(`Left out of '${each}': ${report.leftOut}`);
      expect(report.failure).toBeUndefined();
    });
  });
}

function summary(name: string, reports: readonly Report[]): string {
  const totalMs = reports.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const differing = reports.filter(
    ({ largestDifference }) => largestDifference !== undefined && largestDifference > 0,
  );
  const differences = differing.map((report) => `  ${report.name}: ${report.largestDifference}`);
  return [
    `${name}: ${reports.length} cases and checks in ${Math.round(totalMs)} ms, ${differing.length} with other bits than the reference`,
    ...differences,
  ].join("\n");
}
