#!/usr/bin/env node
/** Entry of the command line `dawnlet`: the commands are loaded when their compiled sources can be kept. */
import { platform } from "#platform";

platform.keepCompiled();
const { runCommandLine } = await import("./commands.ts");
await runCommandLine();
