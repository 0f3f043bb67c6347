/** The program of the remoting benchmark in a handler of a real gateway: isolate, gateway and device process. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlobWriter, TextReader, ZipWriter } from "@zip.js/zip.js";
import { platform } from "#platform";
import { openGateway } from "../../gateway/gateway.ts";
import { checkGrowth, type Measured } from "./program.ts";

export interface MeasuredHandler extends AsyncDisposable {
  /** @param isReal it computes something: what it computes is checked. */
  measure(isReal: boolean): Promise<Measured>;
}

const code = `import { measureProgram, prepareProgram } from "./program.ts";
let prepared;
async function prepare() {
  const adapter = await navigator.gpu.requestAdapter();
  return prepareProgram(await adapter.requestDevice());
}
export default {
  async fetch(request) {
    prepared ??= prepare();
    const program = await prepared;
    const isReal = new URL(request.url).searchParams.has("real");
    const from = isReal ? await program.check() : 0;
    const measured = await measureProgram(program);
    const grown = isReal ? (await program.check()) - from : 0;
    return Response.json({ measured, grown });
  },
};`;

/** @param backend as the benchmark names it. */
export async function openHandler(backend: string): Promise<MeasuredHandler> {
  const dataFolder = await mkdtemp(join(tmpdir(), "dawnlet-bench-"));
  const adapter = backend === "null" ? { adapter: "null" } : {};
  const gateway = await openGateway({ platform, dataFolder, port: 0, ...adapter });
  const deployed = await fetch(`${gateway.url}/v1/functions/program`, {
    method: "PUT",
    body: await bundle(),
  });
  if (!deployed.ok) throw new Error(`Deploy failed: ${await deployed.text()}`);
  return {
    async measure(isReal) {
      const response = await fetch(`${gateway.url}/function/program/${isReal ? "?real" : ""}`);
      if (!response.ok) throw new Error(await response.text());
      const { measured, grown } = (await response.json()) as { measured: Measured; grown: number };
      if (isReal && grown !== checkGrowth)
        throw new Error(`${grown} dispatches of ${checkGrowth} were done in the handler`);
      return measured;
    },
    async [Symbol.asyncDispose]() {
      await gateway.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

async function bundle(): Promise<Blob> {
  const zip = new ZipWriter(new BlobWriter());
  await zip.add("handler.js", new TextReader(code));
  const program = await readFile(new URL("./program.ts", import.meta.url), "utf8");
  await zip.add("program.ts", new TextReader(program));
  return zip.close();
}
