/** Words as they arrived: in the machine's order of bytes, which is little-endian wherever WebGPU runs. */
export function alignedWords(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteOffset % 4 === 0) return new Uint32Array(buffer, byteOffset, byteLength / 4);
  return new Uint32Array(bytes.slice().buffer, 0, byteLength / 4);
}
