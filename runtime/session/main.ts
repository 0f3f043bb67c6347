/** The session process: one model on ONNX Runtime's CPU provider, served to its parent until the parent goes. */

import * as v from "valibot";
import { platform } from "#platform";
import { DawnletError } from "../../kernels/errors.ts";
import { type CpuSession, createCpuSession } from "../../models/ort.ts";
import { prepareReference } from "../../models/prepare.ts";
import { readModel } from "../compiler/read-model.ts";
import { serveRpc } from "../port/rpc-server.ts";
import { joinTensors, openSchema, runSchema, splitTensors } from "./protocol.ts";

let session: CpuSession | undefined;
/** ORT cannot interleave runs: each waits for the one before. */
let previous: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = previous.then(work);
  previous = result.catch(() => undefined);
  return result;
}

const port = await platform.connectParent({ mayBlock: true });
serveRpc(port, {
  open: async (params) => {
    const { threads, ...source } = v.parse(openSchema, params);
    const { model, files } = await readModel(platform, source);
    session = await createCpuSession(prepareReference(model, files).reference, { threads });
    return {};
  },
  run: (params, attachments) =>
    inTurn(async () => {
      if (session === undefined) throw new DawnletError("UNAVAILABLE", "The session is not open yet");
      const { inputs, outputs } = v.parse(runSchema, params);
      const results = await session.run(
        Object.fromEntries(joinTensors(inputs, attachments)),
        outputs ?? undefined,
      );
      const { headers, attachments: bytes } = splitTensors(results);
      return { result: headers, attachments: bytes };
    }),
});
await port.closed;
platform.exit(0);
