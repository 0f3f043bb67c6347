import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes longest comes first: of two workers neither is to have minutes left at the end. */
const slowFirst = [
  /e2e\/onnx-/,
  /e2e\/(many-functions|handler-|models|containment)/,
  /e2e\//,
  /conformance\//,
  /cli\/|readme/,
];

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = slowFirst.findIndex((pattern) => pattern.test(moduleId));
      return index < 0 ? slowFirst.length : index;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/** Tests of code that touches no device and no other process: they share theirs, which saves most of their time. */
const pure = [
  "test/kernels/*/**/*.test.ts",
  "test/models/!(rewrite)/**/*.test.ts",
  "test/gateway/{api,bundle,http,scheduler,tensors}/**/*.test.ts",
  "test/bench/{simulate,traces}/**/*.test.ts",
];

/** Tests that start what they need and end it: they share processes as well. Not those that measure the process they are in. */
const tidy = [
  "test/{bench,kernels,models}/**/*.test.ts",
  "test/runtime/**/!(usage).test.ts",
  "test/gateway/{autoscale,devices,dispatch,functions,handlers,store}/**/*.test.ts",
  "test/gateway/*.test.ts",
  "test/e2e/!(soak|handler-crowd|faults-killed).test.ts",
];

const isDeno = "Deno" in globalThis;
/** In which a second engine of the same kind would find nothing more. */
const underNodeOnly = [
  ["test/gateway/scheduler/**/*.test.ts", "it calls nothing of a runtime"],
  ["test/bench/{simulate,traces}/**/*.test.ts", "it calls nothing of a runtime"],
  [
    "test/e2e/containment.test.ts",
    "faults.test.ts and handler-attacks-gpu.test.ts lose devices there as well",
  ],
  ["test/e2e/{cpu-lane,profile}.test.ts", "models.test.ts has models served by the CPU there"],
  ["test/e2e/handler-examples.test.ts", "handlers.test.ts and others have handlers there"],
  [
    "test/e2e/deploy.test.ts",
    "models.test.ts, handlers.test.ts and others deploy models, shaders and handlers there",
  ],
  [
    "test/e2e/{tenants,storage-quotas}.test.ts",
    "held-bodies.test.ts has tenants there, and others the files and processes that these need",
  ],
  [
    "test/e2e/onnx-backend.test.ts",
    "ONNX Runtime is the same WebAssembly there, and models.test.ts compiles models",
  ],
  [
    "test/runtime/supervisor/session-processes.test.ts",
    "models.test.ts and faults-killed.test.ts start and end sessions there",
  ],
  ["test/e2e/faults-store.test.ts", "files are written and read there by the tests of the store"],
  ["test/models/rewrite/placement.test.ts", "it is about ONNX Runtime's providers"],
] as const;
const leftOut = isDeno ? underNodeOnly.map(([path]) => path) : [];
if (isDeno) for (const [path, why] of underNodeOnly) console.info(`Under Deno ${path} is left out: ${why}`);
// vitest knows nothing of Deno: without this `#platform` would be Node's in both.
const conditions = isDeno ? ["deno", "node"] : ["node"];

const all = ["test/**/*.test.ts"];
const globalSetup = ["test/setup.ts"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    projects: [
      { extends: true, test: { name: "pure", include: pure, exclude: leftOut, isolate: false } },
      {
        extends: true,
        test: { name: "tidy", include: tidy, exclude: [...pure, ...leftOut], globalSetup, isolate: false },
      },
      { extends: true, test: { name: "whole", include: all, exclude: [...pure, ...tidy], globalSetup } },
    ],
    pool: "forks",
    maxWorkers: 2,
    sequence: { sequencer: SlowFirst },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
