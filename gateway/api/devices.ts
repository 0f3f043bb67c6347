/** `GET /v1/devices`: what the memory of each device holds, who came and went, and how each has fared. */
import type { Hono } from "hono";
import type { DeviceReport, LaneReport, SilentDeviceReport } from "../devices/report.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { jsonReply } from "../http/reply.ts";

export function addDevices(
  app: Hono,
  endpoint: Endpoint,
  report: () => Promise<ReadonlyArray<DeviceReport | SilentDeviceReport | LaneReport>>,
): void {
  app.get(
    "/v1/devices",
    endpoint(async () => jsonReply({ devices: await report() }), { isForOperator: true }),
  );
}
