/** The example `edges` on a real device. */
import { readFile } from "node:fs/promises";
import { decodeImage, encodePng, type Handler, toGrey } from "dawnlet";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { testDevice } from "../../gpu.ts";
import { ask, post } from "./fake-function.ts";

vi.mock("../../../gateway/examples/edges/sobel.wgsl", async () => ({
  default: await readFile(new URL("../../../gateway/examples/edges/sobel.wgsl", import.meta.url), "utf8"),
}));

let handler: Handler;
let devices = 0;

beforeAll(async () => {
  const device = await testDevice();
  const adapter = {
    requestDevice: async () => {
      devices++;
      return device;
    },
  };
  vi.stubGlobal("navigator", { gpu: { requestAdapter: async () => adapter } });
  handler = (await import("../../../gateway/examples/edges/handler.ts")).default;
});

/** Sobel's operator over rows of brightness from 0 to 255. */
function sobel(width: number, height: number, grey: ArrayLike<number>): number[] {
  const at = (x: number, y: number) =>
    grey[Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1)]!;
  return Array.from({ length: width * height }, (_, index) => {
    const [x, y] = [index % width, Math.floor(index / width)];
    let across = 0;
    let down = 0;
    for (const [i, weight] of [
      [-1, 1],
      [0, 2],
      [1, 1],
    ] as const) {
      across += weight * (at(x + 1, y + i) - at(x - 1, y + i));
      down += weight * (at(x + i, y + 1) - at(x + i, y - 1));
    }
    return Math.min(Math.hypot(across, down), 255);
  });
}

describe("the example `edges`", () => {
  test.each([
    [13, 9],
    [1, 1],
    [64, 3],
  ])("finds the edges of %i x %i pixels", async (width, height) => {
    const grey = Uint8Array.from({ length: width * height }, (_, i) => (i * 29 + (i % width) * 3) % 256);
    const file = encodePng({ width, height, channels: 1, data: grey });
    const response = await ask(handler, post(file), {});
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/png"]);
    const edges = await decodeImage(await response.arrayBuffer());
    expect([edges.width, edges.height]).toEqual([width, height]);
    const found = toGrey(edges).data;
    for (const [index, value] of sobel(width, height, grey).entries())
      expect(Math.abs(found[index]! - value), `pixel ${index}`).toBeLessThanOrEqual(1);
  });

  test("opens one device for all requests", async () => {
    const file = encodePng({ width: 1, height: 1, channels: 1, data: new Uint8Array(1) });
    await Promise.all([1, 2, 3].map(() => ask(handler, post(file), {})));
    expect(devices).toBe(1);
  });

  test("asks for a picture", async () => {
    const response = await ask(handler, new Request("http://localhost/"), {});
    expect(response.status).toBe(405);
    await expect(ask(handler, post("no picture"), {})).rejects.toMatchObject({
      code: "UNSUPPORTED",
    });
  });
});
