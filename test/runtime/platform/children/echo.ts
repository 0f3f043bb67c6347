/** A child process or worker that answers calls: for tests and measurements. */
import { platform } from "#platform";
import { DawnletError } from "../../../../kernels/errors.ts";
import { serveRpc } from "../../../../runtime/port/rpc-server.ts";

const port = await platform.connectParent();
serveRpc(port, {
  echo: (params, attachments) => ({ result: params, attachments, give: true }),
  describe: () => ({ result: { runtime: platform.runtime, arguments: globalThis.process?.argv.slice(2) } }),
  environment: () => ({ result: { ...globalThis.process?.env } }),
  refuse: () => {
    throw new DawnletError("OUT_OF_MEMORY", "Cannot hold it");
  },
  print: (params) => {
    console.log(`out ${params}`);
    console.error(`err ${params}`);
    return {};
  },
  exit: (params) => platform.exit(Number(params)),
  crash: () => {
    setTimeout(() => {
      throw new Error("crash on purpose");
    });
    return {};
  },
  hang: () => {
    for (;;);
  },
});
