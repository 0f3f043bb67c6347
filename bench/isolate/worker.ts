/** A worker thread that answers one request with the benchmark's app. */
import { parentPort, workerData } from "node:worker_threads";
import app from "./app.ts";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const response = await app.request("/words", { method: "POST", body: String(workerData) });
parentPort!.postMessage({ status: response.status, body: await response.text() } satisfies Answer);
