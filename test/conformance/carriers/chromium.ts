/**
 * A page of headless Chromium that starts the device side in a Web Worker and runs there what was made here:
 * Programs compiled in this runtime, on the browser's WebGPU.
 */
import type { DeviceDescription } from "../../../runtime/device/api.ts";
import { blobPath } from "../../../runtime/device/protocol.ts";
import { startChromium } from "../../browser/chromium.ts";
import { serveModules } from "../../browser/serve-modules.ts";
import type { CarrierTests } from "../describe-carrier.ts";
import type { Report } from "../suite.ts";
import { encodeSuite } from "../wire.ts";

const page = "test/conformance/carriers/page.ts";

export const chromium: CarrierTests = {
  name: "a Web Worker of Chromium",
  implementation: "browser",
  runtime: "node",
  async start({ suite, blobs }) {
    const extra = new Map<string, Uint8Array>([["suite.json", encodeSuite(suite)]]);
    for (const [digest, blob] of blobs) extra.set(blobPath("blobs", digest), blob);
    await using started = new AsyncDisposableStack();
    const server = await serveModules({ extra });
    started.defer(() => server.close());
    const chromium = await startChromium();
    started.defer(() => chromium.close());
    const { call, errors } = await chromium.openPage(server.origin);
    const given = [...blobs.keys()].filter((_, i) => i % 2 === 0);
    const description = (await call(page, "start", "/suite.json", "/blobs", given)) as DeviceDescription;
    const ending = started.move();
    return {
      description,
      run: async (name) => (await call(page, "run", name)) as Report,
      async close() {
        await call(page, "close");
        await ending.disposeAsync();
        // A weight that is nowhere is asked for on purpose.
        return errors.filter((error) => !error.includes("404"));
      },
    };
  },
};
