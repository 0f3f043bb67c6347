/**
 * What a gateway and a device process say to each other about GPU sessions, on a stream of messages of its own. What
 * clients say goes through both as it is: the `data` of a message with its attachments.
 */
import * as v from "valibot";
import type { Message } from "../port/port.ts";
import type { RemoteAdapterDescription } from "../remote-gpu/protocol.ts";

const session = v.pipe(v.number(), v.safeInteger());
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const amount = v.pipe(v.number(), v.minValue(0));
/** Data that the other side has taken, in messages: what it has not taken is limited. */
const taken = v.object({ type: v.literal("taken"), session, messages: count });
const data = v.object({ type: v.literal("data"), session, data: v.optional(v.unknown()) });

const toHost = v.variant("type", [
  v.object({
    type: v.literal("open"),
    session,
    /** Whose sessions share budget and account. */
    group: v.string(),
    /** Of all buffers of the group; the first of its sessions says so. */
    budgetBytes: count,
    /** How long the work of one message may take. */
    timeLimitMs: amount,
  }),
  data,
  taken,
  v.object({ type: v.literal("close"), session }),
]);
export type ToHost = v.InferOutput<typeof toHost>;

const usage = v.object({
  group: v.string(),
  /** For which the GPU has worked for the group, since its first session that there still was something of. */
  gpuMs: amount,
  /** For which the device process itself has, on what the group sent: compiling shaders, encoding commands. */
  hostMs: amount,
  /** Of its buffers, and of those that the GPU is still to give back. */
  bytes: count,
  /** Bytes that the device lacked for a buffer of the group since the last report. */
  missingBytes: count,
});
export type GroupUsage = v.InferOutput<typeof usage>;

const progress = v.object({
  session,
  /** Data of it that was handled since it was opened, in messages. */
  messages: count,
  /** Of these, the ones whose work the GPU has not done. */
  submits: count,
});
export type SessionProgress = v.InferOutput<typeof progress>;

const fromHost = v.variant("type", [
  v.object({ type: v.literal("opened"), session, adapter: v.custom<RemoteAdapterDescription>(isObject) }),
  data,
  taken,
  /** The device does not recover from what the session has it do. */
  v.object({ type: v.literal("stuck"), session }),
  /** Nothing of it is left on the GPU. `why` is null where that was wanted. */
  v.object({ type: v.literal("ended"), session, why: v.nullable(v.string()) }),
  /** Of groups and sessions for which something has changed. */
  v.object({ type: v.literal("usage"), usage: v.array(usage), progress: v.array(progress) }),
]);
export type FromHost = v.InferOutput<typeof fromHost>;

/** @returns undefined for what no gateway sends. */
export function parseToHost(header: unknown): ToHost | undefined {
  const result = v.safeParse(toHost, header);
  return result.success ? result.output : undefined;
}

/** @returns undefined for what no device process sends. */
export function parseFromHost(header: unknown): FromHost | undefined {
  const result = v.safeParse(fromHost, header);
  return result.success ? result.output : undefined;
}

/** A message that is nothing but its header. */
export function only(header: ToHost | FromHost): Message {
  return { header, attachments: [] };
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
