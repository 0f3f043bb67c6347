/**
 * The functions that `npm start` deploys: the bundles of kernels/bundles, a small language encoder as an ONNX model, and
 * the handlers of gateway/examples that need no model of others. Knows a call for each that shows what it does.
 */
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { buildBert } from "../../models/zoo/bert.ts";
import { exampleEmbedding } from "../examples/example-embedding.ts";
import type { FunctionVersion } from "../functions/functions.ts";
import { openBundleSource } from "./bundle-source.ts";
import { type CurlOptions, curlLine } from "./curl-line.ts";

export interface ExampleFunction {
  readonly name: string;
  open(): Promise<ReadableStream<Uint8Array>>;
}

const bundlesFolder = new URL("../../kernels/bundles/", import.meta.url);
const handlersFolder = new URL("../examples/", import.meta.url);

/** Of a model with random weights: it shows how a model is deployed, compiled and verified. */
const encoder: ExampleFunction = {
  name: "encoder",
  async open() {
    const options = { layers: 2, hidden: 64, heads: 2, vocabulary: 512, positions: 32 } as const;
    const model = buildBert({ ...options, batch: 1, sequence: 4, idType: "int32" });
    return new Blob([model]).stream();
  },
};

/** What `similar` runs. */
const embedding: ExampleFunction = {
  name: "embedding",
  open: async () => new Blob([exampleEmbedding()]).stream(),
};

/** `digits` and `voice` run models that are not part of the project. */
const handlers = ["edges", "fractal", "similar"].map((name) => bundleIn(handlersFolder, name));

/** In the order in which they are deployed: what others build on comes first, what takes longest last. */
export async function exampleFunctions(): Promise<readonly ExampleFunction[]> {
  const entries = await readdir(bundlesFolder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  // The others' calls may begin with its image.
  const first = names.filter((name) => name === "mandelbrot");
  const others = names.filter((name) => name !== "mandelbrot").sort();
  const bundles = [...first, ...others].map((name) => bundleIn(bundlesFolder, name));
  return [...bundles, embedding, ...handlers, encoder];
}

function bundleIn(folder: URL, name: string): ExampleFunction {
  return {
    name,
    open: async () => (await openBundleSource(fileURLToPath(new URL(name, folder)))).open(),
  };
}

/** JSON fields that mean something; functions that are not here get made-up values. */
const fields: Readonly<Record<string, string>> = {
  "complex-matmul": '{"a": [[[0, 1]]], "b": [[[0, 1]]]}',
  jacobi: '{"matrix": [[4, 1], [1, 3]], "right": [1, 2], "iterations": 50}',
  matmul: '{"a": [[1, 2], [3, 4]], "b": [[5, 6], [7, 8]]}',
  reduce: '{"values": [1, 2, 3, 4]}',
  saxpy: '{"a": 2, "x": [1, 2, 3], "y": [10, 20, 30]}',
  softmax: '{"logits": [[1, 2, 3]]}',
  spmm: '{"rowOffsets": [0, 1, 2], "columns": [0, 1], "values": [2, 3], "dense": [[1, 2], [3, 4]]}',
  "vector-add": '{"a": [1, 2, 3], "b": [10, 20, 30]}',
  encoder:
    '{"input_ids": [[101, 7, 42, 102]], "attention_mask": [[1, 1, 1, 1]], "token_type_ids": [[0, 0, 0, 0]]}',
};

/** A line to paste into a shell that calls the example. */
export function exampleCall(options: CurlOptions, version: FunctionVersion): string {
  return pictureCall(options, version.name) ?? curlLine(options, version, fields[version.name]);
}

/** Of examples that give or take pictures: those that take one get one of `mandelbrot`. */
function pictureCall({ url, hasToken }: CurlOptions, name: string): string | undefined {
  const curl = hasToken ? `curl -H "authorization: Bearer $DAWNLET_TOKEN"` : "curl";
  const png = "-H 'accept: image/png'";
  const drawn = (query: string) => `${curl} -s '${url}/function/mandelbrot?${query}' ${png}`;
  const picture = drawn("width=400&height=300");
  switch (name) {
    case "mandelbrot":
      return `${curl} '${url}/function/mandelbrot?width=800&height=600' ${png} -o mandelbrot.png`;
    case "filter":
      return `${picture} | ${curl} '${url}/function/filter?kind=2' -H 'content-type: image/png' --data-binary @- ${png} -o edges.png`;
    case "edges":
      return `${picture} | ${curl} ${url}/function/edges/ --data-binary @- -o edges.png`;
    case "embedding":
      // A grey picture: 3 × 64 × 64 zeros.
      return `head -c 49152 /dev/zero | ${curl} ${url}/function/embedding -H 'content-type: application/octet-stream' --data-binary @-`;
    case "fractal":
      return `${curl} '${url}/function/fractal/image.png?x=-0.1&y=0.95&zoom=4' -o fractal.png`;
    case "similar":
      return `${drawn("width=400&height=300&iterations=20")} -o one.png; ${picture} | ${curl} ${url}/function/similar/ -F one=@one.png -F two=@-`;
    default:
      return undefined;
  }
}
