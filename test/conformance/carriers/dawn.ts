/** A device process with Dawn, in the runtime that runs the tests. */
import { platform } from "#platform";
import { openParams } from "../cases.ts";
import type { CarrierTests } from "../describe-carrier.ts";
import { runByName } from "../suite.ts";
import { startProcess } from "./process.ts";

export const dawn: CarrierTests = {
  name: `a device process of ${platform.runtime} with Dawn`,
  implementation: "dawn",
  async start({ suite, blobs, adapter }) {
    const { api, ...rest } = await startProcess(platform, adapter.environment, openParams(adapter), blobs);
    return { ...rest, run: (name) => runByName(api, suite, name) };
  },
};
