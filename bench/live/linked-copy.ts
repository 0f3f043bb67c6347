/** A folder of stored functions once more: a data folder is one gateway's. Costs no room, as what is stored is never changed. */
import { link, mkdir, mkdtemp, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Its gateway's mark. */
const lockName = /^lock\./;

/** @returns a new folder beside it, whose files are links to the same. */
export async function linkedCopy(folder: string): Promise<string> {
  const copy = await mkdtemp(join(dirname(folder), "copy-"));
  await linkAll(folder, copy);
  return copy;
}

async function linkAll(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (lockName.test(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await mkdir(target);
      await linkAll(source, target);
    } else await link(source, target);
  }
}
