import { describe, expect, test } from "vitest";
import { type AdapterHost, adapterCandidates } from "../../../runtime/adapter/candidates.ts";

/** A machine with these files and nothing else. */
function machine(paths: readonly string[], variables: Record<string, string> = {}): AdapterHost {
  const inside = (folder: string): string[] =>
    paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1));
  return {
    system: { name: "linux", architecture: "x64" },
    environment: (name) => variables[name],
    files: {
      read: async () => undefined,
      write: async () => {},
      stat: async (path) => (paths.includes(path) ? { sizeBytes: 1, modifiedMs: 1 } : undefined),
      list: async (folder) => inside(folder).filter((name) => !name.includes("/")),
      moveFolder: async () => true,
      remove: async () => {},
      cacheFolder: () => "/cache",
      bootId: async () => "boot",
      packageFolder: () => undefined,
    },
  };
}

async function names(host: AdapterHost, wish?: string): Promise<string[]> {
  const list: string[] = [];
  for await (const candidate of adapterCandidates(host, wish)) {
    list.push("missing" in candidate ? `no ${candidate.name}` : candidate.name);
  }
  return list;
}

const chromium = ["/usr/lib/chromium/vk_swiftshader_icd.json", "/usr/lib/chromium/libvulkan.so.1"];
const mesa = [
  "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
  "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json",
];

describe("`adapterCandidates()`", () => {
  test("tries the system's GPU, then SwiftShader, then lavapipe", async () => {
    expect(await names(machine([...chromium, ...mesa]))).toEqual([
      "the system's GPU",
      "the system's GPU with the Vulkan loader of /usr/lib/chromium",
      "SwiftShader of /usr/lib/chromium",
      "no SwiftShader of the package '@sparticuz/chromium'",
      "lavapipe (/usr/share/vulkan/icd.d/lvp_icd.x86_64.json)",
      "lavapipe (/usr/share/vulkan/icd.d/lvp_icd.x86_64.json) with the Vulkan loader of /usr/lib/chromium",
    ]);
  });

  test("says what is missing on a bare machine", async () => {
    expect(await names(machine([]))).toEqual([
      "the system's GPU",
      "no SwiftShader of Chromium",
      "no SwiftShader of the package '@sparticuz/chromium'",
      "no lavapipe",
    ]);
  });

  test("keeps to what was wished for", async () => {
    const host = machine([...chromium, ...mesa, "/opt/own/icd.json", "/opt/own/libvulkan.so.1"]);
    expect(await names(host, "swiftshader")).toContain("SwiftShader of /usr/lib/chromium");
    expect((await names(host, "lavapipe")).every((name) => name.startsWith("lavapipe"))).toBe(true);
    expect(await names(host, "null")).toEqual(["Dawn's null backend"]);
    expect((await names(host, "/opt/own/icd.json"))[0]).toBe("/opt/own/icd.json");
    expect(await names(host, "/opt/none/icd.json")).toEqual(["no /opt/none/icd.json"]);
    expect((await names(host, "gpu")).every((name) => name.startsWith("the system's GPU"))).toBe(true);
    expect(() => adapterCandidates(host, "fast")).toThrow(
      /Cannot use the adapter 'fast': expected gpu, all, swiftshader/,
    );
  });

  test("gives a driver the environment that picks it, and the system's GPU the one that is there", async () => {
    const variables = { LD_LIBRARY_PATH: "/own/lib", CUDA_VISIBLE_DEVICES: "1", SECRET: "x" };
    const host = machine(["/opt/own/icd.json", "/opt/own/libvulkan.so.1"], variables);
    const own = await adapterCandidates(host, "/opt/own/icd.json").next();
    expect(own.value).toMatchObject({
      environment: {
        VK_DRIVER_FILES: "/opt/own/icd.json",
        VK_ICD_FILENAMES: "/opt/own/icd.json",
        LD_LIBRARY_PATH: "/own/lib:/opt/own",
        XDG_RUNTIME_DIR: "/tmp",
      },
    });
    const gpu = await adapterCandidates(host, "gpu").next();
    expect(gpu.value).toMatchObject({
      environment: { LD_LIBRARY_PATH: "/own/lib", CUDA_VISIBLE_DEVICES: "1" },
      mustBeHardware: true,
    });
    expect(gpu.value.environment).not.toHaveProperty("SECRET");
  });
});
