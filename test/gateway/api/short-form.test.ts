import { beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../../gateway/app.ts";
import { writePng } from "../../../gateway/tensors/image.ts";
import { readNpy, writeNpy } from "../../../kernels/npy.ts";
import { FakeFunctions, floats, valuesOf } from "../fake-functions.ts";

let functions: FakeFunctions;
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  functions = new FakeFunctions();
  app = createApp({ functions });
});

const json = { "content-type": "application/json" };
const call = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  app.request(`/function/${path}`, {
    method: "POST",
    headers: { ...json, ...headers },
    body: JSON.stringify(body),
  });
const send = (path: string, body: Uint8Array, type: string, accept = "application/json") =>
  app.request(`/function/${path}`, {
    method: "POST",
    headers: { "content-type": type, accept },
    body: new Uint8Array(body),
  });
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());
const matrix = floats([2, 3], [1, 2, 3, 4, 5, 6]);

describe("JSON fields", () => {
  test("are tensors by name, and so is the answer", async () => {
    const response = await call("add", { a: [1, 2], b: [3, 4] });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ sum: [4, 6] });
  });

  test("state their shape by nesting, or are flat where one dimension is free", async () => {
    const nested = {
      y: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    };
    expect(await (await call("echo", { x: nested.y })).json()).toEqual(nested);
    expect(await (await call("echo", { x: [1, 2, 3, 4, 5, 6] })).json()).toEqual(nested);
  });

  test("may be a bare number for a single element", async () => {
    expect(await (await call("split", { x: 1.5 })).json()).toEqual({ floor: [1], rest: [0.5] });
  });

  test("hold parameters, as does the query", async () => {
    expect(await (await call("split", { x: [0.5], offset: 2 })).json()).toEqual({ floor: [2], rest: [0.5] });
    expect(await (await call("split?offset=-1", { x: [0.5] })).json()).toEqual({ floor: [-1], rest: [0.5] });
  });

  test("are read whatever `curl -d` or `fetch` call them", async () => {
    for (const type of [
      "application/x-www-form-urlencoded",
      "text/plain;charset=UTF-8",
      "application/json; charset=utf-8",
    ]) {
      expect((await call("add", { a: [1], b: [2] }, { "content-type": type })).status).toBe(200);
    }
  });

  test("keep 64-bit integers exact", async () => {
    const response = await app.request("/function/echo-int64", {
      method: "POST",
      headers: json,
      body: '{"x":[9007199254740993]}',
    });
    expect(await response.text()).toBe('{"y":[9007199254740993]}');
  });

  test.each([
    ["an unknown field", "add", { a: [1], b: [2], c: [3] }, /no input or parameter 'c': it takes a, b/],
    ["a missing input", "add", { a: [1] }, /input 'b' is missing/],
    ["a wrong fixed dimension", "echo", { x: [[1, 2]] }, /'x' as its shape is \[1,2\]: expected \[rows, 3\]/],
    [
      "a flat list that does not divide",
      "echo",
      { x: [1, 2, 3, 4] },
      /has 4 elements: its shape is \[rows, 3\]/,
    ],
    ["a flat list for two free dimensions", "grid", { x: [1, 2] }, /2 free dimensions: state the shape/],
    ["ragged lists", "echo", { x: [[1, 2, 3], [4]] }, /level 2 of its data has 1 elements/],
    ["a bad element", "echo-uint8", { x: [1, 300] }, /input 'x' as its element 1 is 300/],
    ["FP16", "echo-float16", { x: [1] }, /FP16, which has no JSON form/],
    ["a parameter out of range", "split", { x: [1], offset: 11 }, /'offset' as it is 11: the most is 10/],
    ["a fraction for an integer parameter", "split", { x: [1], offset: 0.5 }, /int32 takes whole numbers/],
    [
      "a parameter in both places",
      "split?offset=1",
      { x: [1], offset: 1 },
      /'offset' is in the query and in the body/,
    ],
    [
      "an unknown name in the query",
      "split?scale=1",
      { x: [1] },
      /no meaning for 'scale': it takes offset, output, shape, version/,
    ],
    ["a name twice in the query", "split?offset=1&offset=2", { x: [1] }, /'offset' 2 times/],
    ["text for a parameter", "split?offset=two", { x: [1] }, /'offset' as it is "two": expected a number/],
    ["a body that is no object", "add", [1], /no JSON object/],
  ])("refuse %s", async (_, path, body, message) => {
    const response = await call(path, body);
    expect(response.status).toBe(400);
    expect((await response.json()).error).toMatch(message);
    expect((await call("add", { a: [1], b: [2] })).status).toBe(200);
  });
});

describe("raw bytes", () => {
  test("take the shape that their number leaves, or one that is stated", async () => {
    expect(await (await send("echo", matrix.data, "application/octet-stream")).json()).toEqual({
      y: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    });
    expect(await (await send("grid?shape=3,2", matrix.data, "application/octet-stream")).json()).toEqual({
      y: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    });
  });

  test("come back with shape and type in headers", async () => {
    const response = await send("echo", matrix.data, "application/octet-stream", "application/octet-stream");
    expect(response.headers.get("x-tensor-shape")).toBe("2,3");
    expect(response.headers.get("x-tensor-type")).toBe("float32");
    expect(await bytesOf(response)).toEqual(matrix.data);
  });

  test("of one output among several are chosen by name", async () => {
    const accept = { accept: "application/octet-stream" };
    const response = await call("split?output=rest", { x: [1.25] }, accept);
    expect(valuesOf({ dataType: "float32", shape: [1], data: await bytesOf(response) })).toEqual([0.25]);
    const undecided = await call("split", { x: [1.25] }, accept);
    expect(undecided.status).toBe(400);
    expect((await undecided.json()).error).toMatch(/choose one with \?output=, of floor, rest/);
    expect(await (await call("split?output=rest", { x: [1.25] })).json()).toEqual({ rest: [0.25] });
  });

  test.each([
    ["grid", 24, /2 free dimensions/],
    ["grid?shape=3,3", 24, /has 6 elements: its shape is \[3, 3\]/],
    ["grid?shape=3,x", 24, /dimension "x"/],
    ["echo?shape=3,2", 24, /shape is \[3,2\]: expected \[rows, 3\]/],
    ["echo", 23, /23 bytes: elements of float32 have 4/],
    ["add", 8, /it takes a, b. Send JSON/],
  ])("are refused at %s with %i bytes", async (path, size, message) => {
    const response = await send(path, new Uint8Array(size), "application/octet-stream");
    expect(response.status).toBe(400);
    expect((await response.json()).error).toMatch(message);
  });
});

describe("images", () => {
  const pixels = new Uint8Array([0, 10, 20, 255, 30, 40, 50, 255]);
  const png = writePng("x", { dataType: "uint8", shape: [1, 2, 4], data: pixels });

  test("go in and come out as PNG", async () => {
    const response = await send("invert", png, "image/png", "image/png");
    expect(response.headers.get("content-type")).toBe("image/png");
    const inverted = new Uint8Array([255, 245, 235, 255, 225, 215, 205, 255]);
    expect(await bytesOf(response)).toEqual(
      writePng("y", { dataType: "uint8", shape: [1, 2, 4], data: inverted }),
    );
  });

  test("are what an <img> gets from a function without inputs", async () => {
    const accept = "image/avif,image/webp,image/png,image/*;q=0.8,*/*;q=0.5";
    const response = await app.request("/function/image?shade=1&width=2&height=1", { headers: { accept } });
    expect(response.headers.get("content-type")).toBe("image/png");
    expect(response.headers.get("x-tensor-shape")).toBe("1,2,4");
    const asJson = await app.request("/function/image?shade=1&width=2&height=1");
    expect(await asJson.json()).toEqual({
      pixels: [
        [
          [0, 0, 255, 255],
          [1, 0, 255, 255],
        ],
      ],
    });
  });

  test("are refused where they do not fit", async () => {
    for (const [response, message] of [
      [await send("echo", png, "image/png"), /'x' as it is float32/],
      [await send("invert", pixels, "image/png"), /Cannot read the PNG/],
      [await call("echo", { x: [[1, 2, 3]] }, { accept: "image/png" }), /output 'y' as PNG/],
    ] as const) {
      expect(response.status).toBe(400);
      expect((await response.json()).error).toMatch(message);
    }
  });
});

describe(".npy files", () => {
  test("go in and come out", async () => {
    const response = await send("echo", writeNpy(matrix), "application/x-npy", "application/x-npy");
    expect(readNpy(await bytesOf(response))).toEqual(matrix);
  });

  test("carry FP16", async () => {
    const half = { dataType: "float16", shape: [2], data: new Uint8Array([0, 60, 0, 64]) } as const;
    const response = await send("echo-float16", writeNpy(half), "application/x-npy", "application/x-npy");
    expect(readNpy(await bytesOf(response))).toEqual(half);
  });

  test("are refused with another type or shape", async () => {
    const doubles = { dataType: "float64", shape: [1, 3], data: new Uint8Array(24) } as const;
    const wrongType = await send("echo", writeNpy(doubles), "application/x-npy");
    expect((await wrongType.json()).error).toMatch(/has float64: expected float32/);
    const wrongShape = await send("echo", writeNpy(floats([6], [1, 2, 3, 4, 5, 6])), "application/x-npy");
    expect((await wrongShape.json()).error).toMatch(/shape is \[6\]: expected \[rows, 3\]/);
  });
});

describe("GET", () => {
  test("calls a function without inputs", async () => {
    const response = await app.request("/function/image?shade=0");
    expect(response.status).toBe(200);
    expect((await response.json()).pixels).toHaveLength(2);
  });

  test("needs the parameters that have no default", async () => {
    const response = await app.request("/function/image");
    expect(response.status).toBe(400);
    expect((await response.json()).error).toMatch(/parameter 'shade' is missing: it has no default/);
  });

  test("is refused for a function with inputs", async () => {
    const response = await app.request("/function/add");
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    expect((await response.json()).error).toMatch(/send a, b with POST/);
  });
});

test("types that are neither taken nor given are refused with 415 and 406", async () => {
  expect((await send("echo", matrix.data, "image/jpeg")).status).toBe(415);
  expect((await call("echo", { x: [[1, 2, 3]] }, { accept: "text/html" })).status).toBe(406);
  expect((await call("echo", { x: [[1, 2, 3]] }, { accept: "text/html, */*;q=0.1" })).status).toBe(200);
});

test("a version is chosen in the query, and unknown ones are 404", async () => {
  expect((await call("add?version=1", { a: [1], b: [2] })).status).toBe(200);
  expect(functions.invocations.at(-1)?.version).toBe("1");
  expect((await call("add?version=9", { a: [1], b: [2] })).status).toBe(404);
  expect((await call("nothing", {})).status).toBe(404);
});
