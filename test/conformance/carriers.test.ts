/** Every kind of device runs the same suite: what conforms here may stand in for any other. */
import { chromium } from "./carriers/chromium.ts";
import { dawn } from "./carriers/dawn.ts";
import { wgpu } from "./carriers/wgpu.ts";
import { workerThread } from "./carriers/worker-thread.ts";
import { describeCarrier } from "./describe-carrier.ts";

for (const carrier of [dawn, workerThread, chromium, wgpu]) describeCarrier(carrier);
