/** `GET /v1/devices`: what the memory of each device holds, and who came and went. One gateway drives one device. */
import type { Hono } from "hono";
import type { DeviceReport } from "../devices/report.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { jsonReply } from "../http/reply.ts";

export function addDevices(app: Hono, endpoint: Endpoint, report: () => Promise<DeviceReport>): void {
  app.get(
    "/v1/devices",
    endpoint(async () => jsonReply({ devices: [await report()] }), { isForOperator: true }),
  );
}
