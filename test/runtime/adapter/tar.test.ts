import { expect, test } from "vitest";
import { untar } from "../../../runtime/adapter/tar.ts";

function entry(name: string, content: string, type = "0"): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(content);
  const blocks = new Uint8Array(512 + Math.ceil(bytes.byteLength / 512) * 512);
  const put = (offset: number, text: string): void => blocks.set(new TextEncoder().encode(text), offset);
  put(0, name);
  put(124, bytes.byteLength.toString(8).padStart(11, "0"));
  put(148, "        ");
  put(156, type);
  put(257, "ustar\0");
  const sum = blocks.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  blocks.set(bytes, 512);
  return blocks;
}

function archive(...entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat([...entries, new Uint8Array(1024)]));
}

test("`untar()` gives regular files by name, whatever their sizes", () => {
  const long = "x".repeat(1500);
  const files = untar(
    archive(entry("a", "1"), entry("./b/c", long), entry("folder", "", "5"), entry("e", "")),
  );
  expect([...files].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)])).toEqual([
    ["a", "1"],
    ["b/c", long],
    ["e", ""],
  ]);
});

test("`untar()` refuses what ends too early or is no archive", () => {
  const whole = archive(entry("a", "x".repeat(600)), entry("b", "y"));
  expect(untar(whole).size).toBe(2);
  expect(() => untar(whole.slice(0, 1000))).toThrow(/broken at byte/);
  const changed = whole.slice();
  changed[3] = 65;
  expect(() => untar(changed)).toThrow(/broken at byte/);
  expect(() => untar(new Uint8Array(700).fill(7))).toThrow(/broken at byte/);
});
