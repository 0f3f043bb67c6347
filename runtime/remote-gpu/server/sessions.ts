/** The sessions of a device, so that one reaction tells all of its loss: a device keeps its reactions for ever. */

export interface Losable {
  lost(message: string): void;
}

const sessions = new WeakMap<GPUDevice, Set<Losable>>();

export function sessionsOf(device: GPUDevice): Set<Losable> {
  const known = sessions.get(device);
  if (known !== undefined) return known;
  const made = new Set<Losable>();
  sessions.set(device, made);
  void device.lost.then(({ message }) => {
    for (const session of [...made]) session.lost(message);
  });
  return made;
}
