/** Bundles for tests: files by path, as a zip. */
import { BlobWriter, TextReader, Uint8ArrayReader, ZipWriter } from "@zip.js/zip.js";

/** @param files text, bytes, or what becomes JSON. */
export async function zipped(
  files: Readonly<Record<string, string | Uint8Array | object>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new ZipWriter(new BlobWriter());
  for (const [path, content] of Object.entries(files)) {
    const reader =
      content instanceof Uint8Array
        ? new Uint8ArrayReader(content)
        : new TextReader(typeof content === "string" ? content : JSON.stringify(content));
    await writer.add(path, reader);
  }
  return new Uint8Array(await (await writer.close()).arrayBuffer());
}
