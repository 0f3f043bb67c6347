/** What lies beside the words of a message: naming a thing takes it, so that few words cannot use it many times. */
export function takeOnce<T>(list: (T | undefined)[], index: number): T | undefined {
  const one = list[index];
  if (one !== undefined) list[index] = undefined;
  return one;
}
