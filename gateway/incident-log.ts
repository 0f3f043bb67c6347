/** What happens to the device process, in the log. */
import { getLogger } from "@logtape/logtape";
import type { Incident } from "../runtime/supervisor/incident.ts";

const log = getLogger(["dawnlet", "device"]);

export function logIncident(incident: Incident): void {
  switch (incident.type) {
    case "condemned":
      log.error("the device process is killed as {reason}", { ...incident });
      break;
    case "lost":
      log.error(
        "the device process is gone, {ending} ({cause}); {rerun} of {atDevice} calls on it run again",
        {
          ...incident,
        },
      );
      for (const program of incident.blamed)
        log.error("Program {program} is to blame: it fails", { program, cause: incident.cause });
      if (incident.sessions > 0) log.error("{sessions} GPU sessions ended with it", { ...incident });
      if (incident.blamedSession !== undefined)
        log.error("the GPU session of {blamedSession} is to blame", { ...incident });
      break;
    case "start-failed":
      log.error("the device process did not start, {failures} times in a row: {reason}", { ...incident });
      break;
    case "recovered":
      log.warn("another device process was ready after {recoveryMs} ms", {
        ...incident,
        recoveryMs: Math.round(incident.recoveryMs),
      });
      break;
    default:
      incident satisfies never;
  }
}
