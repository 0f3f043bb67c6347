/**
 * wgsl_reflect 1.6.0 names a CommonJS file as its main module and calls itself `type: module`, so Node
 * cannot import it by name. Its ES module has no types beside it; they are those of the package.
 * Delete when a release can be imported by name.
 */
declare module "wgsl_reflect/wgsl_reflect.module.js" {
  export * from "wgsl_reflect";
}
