import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openZip, type ZipLimits } from "../../../gateway/bundle/zip.ts";
import { DawnletError } from "../../../kernels/errors.ts";
import { buildZip, temporaryFile, type ZipPart } from "./zip-builder.ts";

const limits: ZipLimits = { entries: 100, entryBytes: 4_000_000, totalBytes: 8_000_000, ratio: 200 };

const text = (value: string) => new TextEncoder().encode(value);

/** Everything in a zip, read. */
async function unzip(zip: Uint8Array, limitsOfTest: ZipLimits = limits): Promise<Map<string, Uint8Array>> {
  await using file = await temporaryFile(zip);
  await using archive = await openZip(file.path, limitsOfTest);
  const files = new Map<string, Uint8Array>();
  for (const entry of archive.entries) files.set(entry.path, await archive.read(entry));
  return files;
}

function invalid(message: RegExp): object {
  return { code: "INVALID_BUNDLE", message: expect.stringMatching(message) };
}

describe("openZip()", () => {
  it("reads stored and deflated entries", async () => {
    const long = "abc".repeat(10_000);
    const zip = buildZip([
      { name: "function.json", content: "{}" },
      { name: "kernels/", mode: 0o040755 },
      { name: "kernels/größe.wgsl", content: long, deflate: true },
      { name: "empty", deflate: true },
    ]);
    expect(await unzip(zip)).toEqual(
      new Map([
        ["function.json", text("{}")],
        ["kernels/größe.wgsl", text(long)],
        ["empty", new Uint8Array()],
      ]),
    );
  });

  it("reads what another writer makes: data descriptors, zip64, time stamps", async () => {
    for (const options of [
      { zip64: true },
      { dataDescriptor: true },
      { zip64: true, level: 0 },
      { level: 9 },
    ]) {
      const writer = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false, ...options });
      await writer.add("a/b.txt", new Uint8ArrayReader(text("hello ".repeat(1000))));
      await writer.add("c.txt", new Uint8ArrayReader(text("c")));
      expect(await unzip(await writer.close())).toEqual(
        new Map([
          ["a/b.txt", text("hello ".repeat(1000))],
          ["c.txt", text("c")],
        ]),
      );
    }
  });

  it("takes off the folder that all entries share, and only that", async () => {
    const inFolder = [{ name: "saxpy/" }, { name: "saxpy/function.json" }, { name: "saxpy/k/main.wgsl" }];
    expect([...(await unzip(buildZip(inFolder))).keys()]).toEqual(["function.json", "k/main.wgsl"]);
    const beside = [...inFolder, { name: "README" }];
    expect([...(await unzip(buildZip(beside))).keys()]).toEqual([
      "saxpy/function.json",
      "saxpy/k/main.wgsl",
      "README",
    ]);
  });

  it("passes over what macOS adds", async () => {
    const zip = buildZip([
      { name: "saxpy/a" },
      { name: "saxpy/.DS_Store" },
      { name: "__MACOSX/saxpy/._a" },
      { name: "__MACOSX/._saxpy" },
    ]);
    expect([...(await unzip(zip)).keys()]).toEqual(["a"]);
  });

  it("reads an archive without entries as empty", async () => {
    expect((await unzip(buildZip([]))).size).toBe(0);
  });

  it.each<[string, RegExp]>([
    ["../x", /entry '\.\.\/x' leads outside/],
    ["a/../../x", /leads outside/],
    ["a/..", /leads outside/],
    ["/etc/passwd", /'\/etc\/passwd' has an absolute path/],
    ["C:/x", /drive letter/],
    ["c:x", /drive letter/],
    ["a\\b", /'a\\b' has a backslash/],
    ["..\\x", /backslash/],
    ["a\0.wgsl", /NUL/],
    ["a//b", /empty part/],
    ["./a", /empty part or '\.'/],
    ["", /empty part/],
    [`${"d/".repeat(600)}x`, /more than 1024 characters/],
    ["x".repeat(256), /more than 255 bytes/],
  ])("refuses the path %j", async (name, message) => {
    await expect(unzip(buildZip([{ name: "good" }, { name }]))).rejects.toMatchObject(invalid(message));
    // Control: the same archive without it.
    expect((await unzip(buildZip([{ name: "good" }]))).size).toBe(1);
  });

  it.each<[string, ZipPart, RegExp]>([
    [
      "a symbolic link",
      { name: "link", content: "/etc/passwd", mode: 0o120777 },
      /'link' is a symbolic link/,
    ],
    ["a device", { name: "tty", mode: 0o020666 }, /'tty' is no regular file/],
    [
      "an encrypted entry",
      { name: "secret", content: "x".repeat(20), flags: 0x0801 },
      /'secret' is encrypted/,
    ],
    ["a wrong checksum", { name: "bent", content: "abc", crc: 1 }, /'bent' is broken/],
    ["a compression that it does not know", { name: "odd", content: "abc", method: 12 }, /'odd' is broken/],
    ["two names for one entry", { name: "shown", localName: "hidden" }, /'shown' is broken/],
    ["deflated data that ends early", { name: "cut", content: "abc", method: 8 }, /'cut' is broken/],
    [
      "a size below the real one",
      { name: "big", content: "abcdef", deflate: true, sizeBytes: 3 },
      /'big' is broken/,
    ],
    [
      "a size above the real one",
      { name: "big", content: "abcdef", deflate: true, sizeBytes: 9 },
      /'big' is broken/,
    ],
    [
      "data that reaches beyond the file",
      { name: "far", content: "abc", compressedBytes: 9999 },
      /'far' is broken/,
    ],
  ])("refuses %s and names it", async (_, part, message) => {
    await expect(unzip(buildZip([{ name: "good" }, part]))).rejects.toMatchObject(invalid(message));
  });

  it("refuses entries that share their data", async () => {
    const zip = buildZip([
      { name: "a", content: "abc" },
      { name: "a", content: "abc", overlaps: true },
    ]);
    await expect(unzip(zip)).rejects.toMatchObject(invalid(/twice/));
    const renamed = buildZip([
      { name: "a", content: "abc", localName: "a" },
      { name: "b", content: "abc", overlaps: true },
    ]);
    await expect(unzip(renamed)).rejects.toMatchObject(invalid(/'b' is broken/));
  });

  it.each<[readonly string[], RegExp]>([
    [["a", "a"], /the entry 'a' twice/],
    [["Main.wgsl", "main.wgsl"], /'main\.wgsl' beside 'Main\.wgsl'/],
    [["é", "e\u0301"], /beside/],
    [["a", "a/b"], /'a' beside 'a\/b'/],
    [["x/B/c", "x/b"], /'x\/b' beside 'x\/B\/c'/],
  ])("refuses names that some file systems hold for one: %j", async (names, message) => {
    const zip = buildZip(names.map((name) => ({ name })));
    await expect(unzip(zip)).rejects.toMatchObject(invalid(message));
  });

  it("limits the number of entries", async () => {
    const zip = buildZip(Array.from({ length: 101 }, (_, i) => ({ name: `f${i}` })));
    const refusal = { code: "PAYLOAD_TOO_LARGE", message: expect.stringContaining("more than 100 entries") };
    await expect(unzip(zip)).rejects.toMatchObject(refusal);
    expect((await unzip(zip, { ...limits, entries: 101 })).size).toBe(101);
  });

  it("limits the size of an entry and of all of them, as stated and as inflated", async () => {
    const part = (name: string) => ({ name, content: "0123456789".repeat(100) });
    const refusal = (message: RegExp) => ({
      code: "PAYLOAD_TOO_LARGE",
      message: expect.stringMatching(message),
    });
    const zip = buildZip([part("a"), part("b")]);
    expect((await unzip(zip, { ...limits, entryBytes: 1000, totalBytes: 2000 })).size).toBe(2);
    await expect(unzip(zip, { ...limits, entryBytes: 999 })).rejects.toMatchObject(
      refusal(/'a' has 1000 bytes/),
    );
    await expect(unzip(zip, { ...limits, totalBytes: 1999 })).rejects.toMatchObject(refusal(/2000 bytes/));
    // An entry that is read again counts again: what is counted is what was inflated.
    await using file = await temporaryFile(zip);
    await using archive = await openZip(file.path, { ...limits, totalBytes: 2500 });
    const [first] = archive.entries;
    await archive.read(first!);
    await archive.read(first!);
    await expect(archive.read(first!)).rejects.toMatchObject(refusal(/more than 2500 bytes/));
  });

  it("stops a bomb long before it is inflated, whatever its headers say", async () => {
    const content = new Uint8Array(3_000_000);
    const bomb: ZipPart = { name: "zeros", content, deflate: true };
    await expect(unzip(buildZip([bomb]))).rejects.toMatchObject(
      invalid(/'zeros' inflates to more than 200 times/),
    );
    // Control: the same entry within the ratio.
    const allowed = await unzip(buildZip([bomb]), { ...limits, ratio: 2000 });
    expect(allowed.get("zeros")?.byteLength).toBe(content.byteLength);

    await using file = await temporaryFile(buildZip([{ ...bomb, sizeBytes: 10 }]));
    await using archive = await openZip(file.path, limits);
    let received = 0;
    const reading = archive.inflate(archive.entries[0]!, async (piece) => {
      received += piece.byteLength;
    });
    await expect(reading).rejects.toMatchObject(invalid(/'zeros' is broken/));
    expect(received).toBeLessThan(1_000_000);
  });

  it("passes on what the taker of the bytes throws", async () => {
    await using file = await temporaryFile(
      buildZip([{ name: "a", content: "x".repeat(1000), deflate: true }]),
    );
    await using archive = await openZip(file.path, limits);
    const full = Object.assign(new Error("full"), { code: "ENOSPC" });
    const taking = archive.inflate(archive.entries[0]!, () => Promise.reject(full));
    await expect(taking).rejects.toBe(full);
  });

  it("refuses bytes that are no zip", async () => {
    for (const bytes of ["", "PK", "PK\x03\x04", "PK\x03\x04".padEnd(5000, "x")]) {
      await expect(unzip(text(bytes))).rejects.toMatchObject(invalid(/broken/));
    }
  });

  it("does not crash or lie on a zip with a flipped bit or a cut end", async () => {
    const contents = new Map([
      ["function.json", text('{"kind":"wgsl"}')],
      ["main.wgsl", text("@compute @workgroup_size(64) fn main() {}\n".repeat(50))],
      ["data/weights.bin", Uint8Array.from({ length: 3000 }, (_, i) => (i * i) % 251)],
    ]);
    const zip = buildZip([...contents].map(([name, content], i) => ({ name, content, deflate: i > 0 })));
    const check = async (damaged: Uint8Array) => {
      let files: Map<string, Uint8Array>;
      try {
        files = await unzip(damaged);
      } catch (error) {
        if (!(error instanceof DawnletError)) throw error;
        expect(["INVALID_BUNDLE", "PAYLOAD_TOO_LARGE"]).toContain(error.code);
        return;
      }
      // A name can change, time stamps can; bytes have a checksum.
      for (const [name, content] of files) {
        const original = contents.get(name);
        if (original !== undefined) expect(content).toEqual(original);
      }
    };
    const flip = fc.integer({ min: 0, max: zip.byteLength * 8 - 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (bits) => {
        const damaged = zip.slice();
        for (const bit of bits) damaged[bit >> 3]! ^= 1 << (bit & 7);
        await check(damaged);
      }),
      { numRuns: 400 },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: zip.byteLength - 1 }), async (length) => {
        await expect(unzip(zip.subarray(0, length))).rejects.toBeInstanceOf(DawnletError);
      }),
      { numRuns: 150 },
    );
    await check(zip);
  });
});
