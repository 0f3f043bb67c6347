/**
 * What the recorder needs to know of a WGSL text: how each binding is accessed and which features it enables.
 * A few patterns are enough, because the compiler has accepted the text and it declares bindings at module scope.
 */
import type { BindingAccess } from "../../kernels/program/program.ts";

const declaration =
  /@group\s*\(\s*(\d+)\s*\)\s*@binding\s*\(\s*(\d+)\s*\)\s*var\s*<\s*(\w+)\s*(?:,\s*(\w+)\s*)?>/g;
const enabled = /^\s*enable\s+([^;]+);/gm;

/** Access by `group.binding`. */
export function bindingAccess(code: string): Map<string, BindingAccess> {
  const result = new Map<string, BindingAccess>();
  for (const [, group, binding, space, access] of code.matchAll(declaration)) {
    const isWritable = space === "storage" && (access === "read_write" || access === "write");
    result.set(`${group}.${binding}`, space === "uniform" ? "uniform" : isWritable ? "read_write" : "read");
  }
  return result;
}

/** WebGPU features by the name of the WGSL extension that needs them. */
const featureOf: Readonly<Record<string, string>> = {
  f16: "shader-f16",
  subgroups: "subgroups",
  subgroups_f16: "subgroups",
};

/** Feature names, or the extension itself where no standard feature brings it. */
export function requiredFeatures(code: string): string[] {
  const features = new Set<string>();
  for (const [, list] of code.matchAll(enabled)) {
    for (const name of list!.split(",")) features.add(featureOf[name.trim()] ?? name.trim());
  }
  return [...features];
}
