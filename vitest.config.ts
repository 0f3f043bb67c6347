import { defineConfig } from "vitest/config";

const isDeno = "Deno" in globalThis;

export default defineConfig({
  resolve: { conditions: isDeno ? ["deno", "node"] : ["node"] },
  ssr: { resolve: { conditions: isDeno ? ["deno", "node"] : ["node"] } },
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
