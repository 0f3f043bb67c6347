/** A device process with Dawn, in the runtime that runs the tests. */
import { platform } from "#platform";
import { startProcess } from "./carriers/process.ts";
import { openParams } from "./cases.ts";
import { describeCarrier } from "./describe-carrier.ts";
import { runByName } from "./suite.ts";

describeCarrier({
  name: `a device process of ${platform.runtime} with Dawn`,
  implementation: "dawn",
  async start({ suite, blobs, adapter }) {
    const { api, ...rest } = await startProcess(platform, adapter.environment, openParams(adapter), blobs);
    return { ...rest, run: (name) => runByName(api, suite, name) };
  },
});
