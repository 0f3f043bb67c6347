/** What runs the suite somewhere: in this process against a device elsewhere, or elsewhere altogether. */
import type { DeviceDescription } from "../../../runtime/device/api.ts";
import type { Report } from "../suite.ts";

export interface Carrier {
  readonly description: DeviceDescription;
  /** Runs the case or the check of a name. */
  run(name: string): Promise<Report>;
  /** Ends what was started. @returns what it complained of meanwhile. */
  close(): Promise<readonly string[]>;
}
