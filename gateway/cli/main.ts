#!/usr/bin/env node
/** Entry of the command line `dawnlet`: the commands are loaded when their compiled sources can be kept. */
import { keepCompiled } from "../../runtime/platform/compile-cache.ts";

keepCompiled();
const { runCommandLine } = await import("./commands.ts");
await runCommandLine();
