/** Programs of three floats, as a device process reads them. */
import { loadWgslBundle } from "../../../kernels/manifest/bundle.ts";
import type { StoredProgram } from "../../../runtime/supervisor/device-process.ts";

export async function storedProgram(id: string, shader: string, timeLimitMs = 5_000): Promise<StoredProgram> {
  const files = new Map([["main.wgsl", new TextEncoder().encode(shader)]]);
  const { program } = (await loadWgslBundle(files)).specialise({ x: [3] }, {});
  const json = new TextEncoder().encode(JSON.stringify(program));
  return { id, timeLimitMs, options: { writesBeforeReads: false }, readJson: async () => json };
}
