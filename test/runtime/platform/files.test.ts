import { existsSync, mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { platform } from "#platform";

const folder = mkdtempSync(join(tmpdir(), "dawnlet-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { files } = platform;

describe("`readBlob()`", () => {
  const path = join(folder, "blob");
  const bytes = new Uint8Array(1_000_000).map((_, index) => (index * 7) % 256);
  writeFileSync(path, bytes);

  test("fills a part of a larger buffer with a part of a file", async () => {
    const memory = new Uint8Array(2000).fill(255);
    await platform.readBlob(path, 123_456, memory.subarray(100, 1100));
    expect(memory.subarray(100, 1100)).toEqual(bytes.subarray(123_456, 124_456));
    expect([memory[99], memory[1100]]).toEqual([255, 255]);
  });

  test("reads many parts at once, of more files than it keeps open", async () => {
    const paths = Array.from({ length: 100 }, (_, index) => {
      const each = join(folder, `small-${index}`);
      writeFileSync(each, new Uint8Array([index, index + 1]));
      return each;
    });
    await Promise.all(
      [0, 1, 0].flatMap((offset) =>
        paths.map(async (each, index) => {
          const target = new Uint8Array(1);
          await platform.readBlob(each, offset, target);
          expect(target[0]).toBe(index + offset);
        }),
      ),
    );
  });

  test("refuses a file that is too short, and takes its replacement", async () => {
    const short = join(folder, "short");
    writeFileSync(short, new Uint8Array(10));
    await platform.readBlob(short, 5, new Uint8Array(5));
    await expect(platform.readBlob(short, 5, new Uint8Array(6))).rejects.toMatchObject({
      code: "CORRUPT_DATA",
      message: expect.stringContaining("ends 1 bytes too early"),
    });
    unlinkSync(short);
    await expect(platform.readBlob(short, 0, new Uint8Array(1))).rejects.toMatchObject({ code: "NOT_FOUND" });
    writeFileSync(short, new Uint8Array(11).fill(9));
    const target = new Uint8Array(6);
    await platform.readBlob(short, 5, target);
    expect([...target]).toEqual([9, 9, 9, 9, 9, 9]);
  });

  test("reads nothing of a file that is not there, but says so", async () => {
    await expect(platform.readBlob(join(folder, "none"), 0, new Uint8Array(1))).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });
});

describe("`files`", () => {
  test("write what they read, in folders that they make, and leave no parts", async () => {
    const path = join(folder, "new", "deep", "file");
    expect(await files.read(path)).toBeUndefined();
    expect(await files.stat(path)).toBeUndefined();
    await files.write(path, new Uint8Array([1, 2, 3]));
    await files.write(path, new Uint8Array([4, 5]));
    expect(await files.read(path)).toEqual(new Uint8Array([4, 5]));
    expect(await files.stat(path)).toMatchObject({ sizeBytes: 2 });
    expect(readdirSync(join(folder, "new", "deep"))).toEqual(["file"]);
    expect(await files.list(join(folder, "new"))).toEqual(["deep"]);
    expect(await files.list(join(folder, "nothing"))).toEqual([]);
  });

  test("move a folder to a name that is free, and only then", async () => {
    for (const name of ["first", "second"])
      await files.write(join(folder, name, "file"), new Uint8Array([1]));
    expect(await files.moveFolder(join(folder, "first"), join(folder, "moved"))).toBe(true);
    expect(await files.moveFolder(join(folder, "second"), join(folder, "moved"))).toBe(false);
    await files.remove(join(folder, "second"));
    expect(existsSync(join(folder, "second"))).toBe(false);
    expect(await files.list(join(folder, "moved"))).toEqual(["file"]);
  });

  test("know this boot and the folders of packages", async () => {
    expect(await files.bootId()).toBe(await files.bootId());
    expect(files.packageFolder("webgpu")).toMatch(/node_modules.webgpu$/);
    expect(files.packageFolder("no-such-package-of-ours")).toBeUndefined();
  });
});
