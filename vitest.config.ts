import { defineConfig } from "vitest/config";

const isDeno = "Deno" in globalThis;
// vitest knows nothing of Deno: without this `#platform` would be Node's in both.
const conditions = isDeno ? ["deno", "node"] : ["node"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/setup.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
