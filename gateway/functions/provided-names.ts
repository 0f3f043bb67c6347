/**
 * Names of models that handlers bring as bytes (handlers/provided-models.ts). Nobody may deploy anything under them: names
 * are everybody's, and who took one first would keep the model's owner from it.
 */
const pattern = /^onnx-[0-9a-f]{16}$/;

/** @param digest hex digits that tell the model and its owner. */
export function providedName(digest: string): string {
  return `onnx-${digest.slice(0, 16)}`;
}

export function isProvidedName(name: string): boolean {
  return pattern.test(name);
}
