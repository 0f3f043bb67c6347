/** Where a gateway keeps what is deployed, if nobody says where. */
import { homedir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Platform } from "../../runtime/platform/platform.ts";

const projectFolder = fileURLToPath(new URL("../../", import.meta.url));

/** `.data` of the project for who works in it; elsewhere the folder that the system has for user's data. */
export function defaultDataFolder(platform: Pick<Platform, "environment" | "system">, cwd: string): string {
  const fromProject = relative(projectFolder, cwd);
  if (!fromProject.startsWith("..") && !/^([a-z]:|[/\\])/i.test(fromProject))
    return join(projectFolder, ".data");
  const xdg = platform.environment("XDG_DATA_HOME");
  if (xdg) return join(xdg, "dawnlet");
  if (platform.system.name === "darwin") return join(homedir(), "Library", "Application Support", "dawnlet");
  const local = platform.environment("LOCALAPPDATA");
  if (local) return join(local, "dawnlet", "data");
  return join(homedir(), ".local", "share", "dawnlet");
}
