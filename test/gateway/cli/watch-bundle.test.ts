/** Watching real files. Nothing is timed: what must come is waited for, what must not come would come before it. */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BundleWatch } from "../../../gateway/cli/watch-bundle.ts";
import { temporaryFolder } from "./run-cli.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let watches: BundleWatch[];
const at = (...parts: string[]) => join(folder.path, ...parts);

beforeEach(async () => {
  folder = await temporaryFolder();
  watches = [];
  await mkdir(at("app", "lib"), { recursive: true });
  await mkdir(at("app", "node_modules", "dep"), { recursive: true });
  for (const path of ["app/handler.ts", "app/lib/a.ts", "app/node_modules/dep/index.js", "app/.hidden"])
    await writeFile(at(path), "1");
});
afterEach(async () => {
  for (const watch of watches) watch[Symbol.dispose]();
  await folder[Symbol.asyncDispose]();
});

/** Counts changes; `next` makes one and waits until it is told. */
async function watched(path: string) {
  let changes = 0;
  watches.push(
    await BundleWatch.start(path, () => {
      changes++;
    }),
  );
  return {
    next: async (change: () => Promise<unknown>) => {
      const before = changes;
      await change();
      await expect.poll(() => changes, { timeout: 10_000 }).toBeGreaterThan(before);
      return changes - before;
    },
  };
}

test("changes of files in a folder are told, whichever way they are made", async () => {
  const { next } = await watched(at("app"));
  await next(() => writeFile(at("app/handler.ts"), "2, longer"));
  await next(() => writeFile(at("app/lib/a.ts"), "2, longer"));
  // As editors save.
  await next(async () => {
    await writeFile(at("app/.tmp"), "3, longer still");
    await rename(at("app/.tmp"), at("app/lib/a.ts"));
  });
  await next(() => rm(at("app/lib/a.ts")));
  await next(async () => {
    await mkdir(at("app/new/deep"), { recursive: true });
    await writeFile(at("app/new/deep/b.ts"), "1");
  });
  await next(() => writeFile(at("app/new/deep/b.ts"), "2, longer"));
  await next(async () => {
    await rename(at("app/new"), at("app/other"));
  });
  await next(() => writeFile(at("app/other/deep/b.ts"), "3, longer still"));
  // As version control brings a folder back.
  await next(async () => {
    await rm(at("app"), { recursive: true });
    await mkdir(at("app"));
    await writeFile(at("app/handler.ts"), "4");
  });
  await next(() => writeFile(at("app/handler.ts"), "5, longer"));
});

test("reading, hidden files and other files beside it are no changes", async () => {
  const { next } = await watched(at("app"));
  await readFile(at("app/handler.ts"));
  await writeFile(at("app/.hidden"), "2, longer");
  await writeFile(at("beside.ts"), "1");
  await mkdir(at("app/.git"));
  // At once: written in place it may be seen empty, too.
  expect(await next(() => rename(at("app/.hidden"), at("app/handler.ts")))).toBe(1);
});

test("an install into node_modules is a change", async () => {
  const { next } = await watched(at("app"));
  await next(async () => {
    await mkdir(at("app/node_modules/more"));
    await writeFile(at("app/node_modules/more/index.js"), "1");
  });
});

test("a file alone is watched, also where it is replaced", async () => {
  const path = at("app/handler.ts");
  const { next } = await watched(path);
  await writeFile(at("app/lib/a.ts"), "2, longer");
  await next(() => writeFile(path, "2, longer"));
  await next(async () => {
    await writeFile(at("app/.tmp"), "3, longer still");
    await rename(at("app/.tmp"), path);
  });
  await next(async () => {
    await rm(path);
    await writeFile(path, "4");
  });
});
