/** What a device process is started with, and what a run on it may ask for. Types only. */
import type { OnLoaded } from "../device/api.ts";
import type { OpenParams } from "../device/protocol.ts";
import type { GroupUsage } from "../device/session-messages.ts";
import type { Platform } from "../platform/platform.ts";
import type { Incident } from "./incident.ts";

export interface DeviceProcessOptions {
  readonly platform: Platform;
  /** Names it among the devices of a gateway. */
  readonly id?: string;
  /** Names the adapter to the process that opens it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly open: OpenParams;
  /** Left out: `deviceEntry`. */
  readonly entry?: URL;
  readonly onLine: (line: string) => void;
  /** The process is gone, and what it held with it; before anything is sent to the next. */
  readonly onExit?: (wasWanted: boolean) => void;
  /** `isUp` has become another, but for the moments in which a suspect has the device for itself. */
  readonly onUp?: (isUp: boolean) => void;
  /** For the log. */
  readonly onIncident?: (incident: Incident) => void;
  /** What a group of GPU sessions uses has changed; at most ten times a second, also when its last link has ended. */
  readonly onUsage?: (usage: GroupUsage) => void;
  /** How long a process may be silent beyond the time limits of what it runs. Left out: 30 s, asked every 5 s. */
  readonly silence?: { readonly intervalMs: number; readonly limitMs: number };
}

export interface DeviceRunOptions {
  /** Aborting gives up a run that waits for the device; one that has been sent runs to its end. */
  readonly signal?: AbortSignal | undefined;
  /** By position in `Program.outputs`: which of them stay on the device. Left out: none. */
  readonly keep?: readonly boolean[] | undefined;
  /** As RunRequest has them. */
  readonly urgencyMs?: number | undefined;
  readonly share?: number | undefined;
  /** As DeviceApi.run has it; once more for each time that it runs again as the device was lost. */
  readonly onLoaded?: OnLoaded | undefined;
}

/** A run whose outputs all come back. */
export interface PlainRunOptions extends DeviceRunOptions {
  readonly keep?: undefined;
}
