import { expect, test } from "vitest";
import { platform } from "#platform";
import { findAdapter } from "../../../runtime/adapter/find-adapter.ts";
import { adapterNames, findAdapters } from "../../../runtime/adapter/find-adapters.ts";
import { probeCandidate } from "../../../runtime/adapter/probe.ts";

test("each wish gives an adapter, in their order, also twice the same", async () => {
  const found = await findAdapters(platform, { wishes: ["null", "null"] });
  expect(found.map(({ gpuOptions }) => gpuOptions.backend)).toEqual(["null", "null"]);
});

test("no wish is whatever works", async () => {
  const [one, ...others] = await findAdapters(platform, { wishes: [] });
  expect(others).toEqual([]);
  expect(one!.description).toEqual((await findAdapter(platform)).description);
});

test("a wish that cannot be is refused, whatever else was found", async () => {
  await expect(findAdapters(platform, { wishes: ["null", "fast"] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
});

test("adapters are known by the words in which Dawn says which there are", async () => {
  const words = `no suitable backends found
Available adapters:
 * backend: 'vulkan', name: 'NVIDIA L4'
 * backend: 'vulkan', name: 'NVIDIA H200'
 * backend: 'vulkan', name: 'NVIDIA L4'
 * backend: 'opengles', name: 'Other'`;
  expect(adapterNames(words)).toEqual(["NVIDIA L4", "NVIDIA H200"]);
  expect(adapterNames("it finds no adapter")).toEqual([]);
  // And it does say so.
  const { name, environment, gpuOptions, description } = await findAdapter(platform);
  const nobody = { ...gpuOptions, adapter: "(which are there?)" };
  const candidate = { name, environment, files: [] };
  const outcome = await probeCandidate(platform, candidate, nobody);
  const names = "failure" in outcome ? adapterNames(outcome.failure) : [];
  const named = names.map((adapter) => probeCandidate(platform, candidate, { ...gpuOptions, adapter }));
  expect(await Promise.all(named)).toContainEqual({ description });
});
