/** What happens to device processes, in the log. */
import { getLogger } from "@logtape/logtape";
import type { Incident } from "../runtime/supervisor/incident.ts";

const log = getLogger(["dawnlet", "device"]);

/** @param device its id, where there are several. */
export function incidentLog(device: string | undefined): (incident: Incident) => void {
  const process = device === undefined ? "the device process" : `the process of ${device}`;
  return (incident) => logIncident(incident, process);
}

function logIncident(incident: Incident, process: string): void {
  switch (incident.type) {
    case "condemned":
      log.error("{process} is killed as {reason}", { process, ...incident });
      break;
    case "lost":
      log.error("{process} is gone, {ending} ({cause}); {rerun} of {atDevice} calls on it run again", {
        process,
        ...incident,
      });
      for (const program of incident.blamed)
        log.error("Program {program} is to blame: it fails", { program, cause: incident.cause });
      if (incident.sessions > 0) log.error("{sessions} GPU sessions ended with it", { ...incident });
      if (incident.blamedSession !== undefined)
        log.error("the GPU session of {blamedSession} is to blame", { ...incident });
      break;
    case "start-failed":
      log.error("{process} did not start, {failures} times in a row: {reason}", { process, ...incident });
      break;
    case "recovered":
      log.warn("{process} was replaced after {recoveryMs} ms", {
        ...{ process, ...incident },
        recoveryMs: Math.round(incident.recoveryMs),
      });
      break;
    default:
      incident satisfies never;
  }
}
