/** How fast bytes of this process reach the device: `writeBuffer`, the way that weights take. */

export interface UploadRate {
  readonly sizeBytes: number;
  readonly runs: number;
  /** Median over the runs, in bytes a second. */
  readonly bytesPerSecond: number;
}

/** Writes a buffer several times and waits for each. Leaves nothing on the device. */
export async function measureUploadRate(
  device: GPUDevice,
  { sizeBytes = 64 * 2 ** 20, runs = 5 } = {},
): Promise<UploadRate> {
  const buffer = device.createBuffer({
    size: sizeBytes,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
  });
  // Pages that were never written may be one page of zeros.
  const bytes = new Uint8Array(sizeBytes).fill(1);
  const write = async (): Promise<number> => {
    const startedAt = performance.now();
    device.queue.writeBuffer(buffer, 0, bytes);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - startedAt;
  };
  try {
    // The first pays for memory that later ones find.
    await write();
    const times: number[] = [];
    while (times.length < runs) times.push(await write());
    const median = times.sort((a, b) => a - b)[Math.floor(runs / 2)]!;
    return { sizeBytes, runs, bytesPerSecond: (sizeBytes / median) * 1000 };
  } finally {
    buffer.destroy();
  }
}
