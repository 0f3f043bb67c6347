/**
 * Which IP addresses belong to the public internet, as pure rules over their text (IANA's special-purpose registries).
 * What is not known to be public is not: handlers of strangers must not reach the operator's own machines.
 */

/** Bytes from the most significant on: 4 or 16. */
type AddressBytes = readonly number[];
type Block = readonly [base: AddressBytes, bits: number];

/** Blocks of IPv4 that are not public. */
const closedV4: readonly Block[] = [
  "0.0.0.0/8", // this network, unspecified
  "10.0.0.0/8", // private
  "100.64.0.0/10", // carriers' own
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // Azure's host, which its machines reach at a public address
  "169.254.0.0/16", // link-local, metadata of clouds
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // relays of 6to4, withdrawn
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast
].map(block);

/** All of IPv6 that is given out; loopback, link-local, unique local and multicast addresses lie outside. */
const globalV6 = block("2000::/3");

/** Blocks within it that are not public. */
const closedV6: readonly Block[] = [
  "2001::/23", // protocol assignments: Teredo, benchmarks, identifiers
  "2001:db8::/32", // documentation
  "3fff::/20", // documentation
].map(block);

/** Blocks whose addresses stand for one of IPv4, and the byte at which that begins. */
const carriersOfV4: readonly (readonly [Block, at: number])[] = [
  [block("::ffff:0:0/96"), 12], // mapped
  [block("64:ff9b::/96"), 12], // NAT64
  [block("2002::/16"), 2], // 6to4
];

/** @param address in the usual notations, without brackets. Anything else is not public. */
export function isPublicAddress(address: string): boolean {
  const bytes = parseAddress(address);
  if (bytes === undefined) return false;
  if (bytes.length === 4) return !closedV4.some((one) => isWithin(bytes, one));
  const carrier = carriersOfV4.find(([one]) => isWithin(bytes, one));
  if (carrier !== undefined) {
    const inner = bytes.slice(carrier[1], carrier[1] + 4);
    return !closedV4.some((one) => isWithin(inner, one));
  }
  return isWithin(bytes, globalV6) && !closedV6.some((one) => isWithin(bytes, one));
}

/** @returns undefined for what is no address, or one of a single interface (`fe80::1%eth0`). */
export function parseAddress(text: string): AddressBytes | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

function parseV4(text: string): AddressBytes | undefined {
  const parts = text.split(".");
  const isValid =
    parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
  return isValid ? parts.map(Number) : undefined;
}

function parseV6(text: string): AddressBytes | undefined {
  const halves = text.split("::");
  const [left, right] = halves.map((half, i) => parseGroups(half, i === halves.length - 1));
  if (left === undefined) return undefined;
  if (halves.length === 1) return left.length === 16 ? left : undefined;
  if (halves.length !== 2 || right === undefined || left.length + right.length > 14) return undefined;
  return [...left, ...new Array<number>(16 - left.length - right.length).fill(0), ...right];
}

/** Groups between colons; the last one of the address may be one of IPv4. */
function parseGroups(text: string, isEnd: boolean): AddressBytes | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    const mayBeV4 = isEnd && i === groups.length - 1;
    const inner = mayBeV4 && group.includes(".") ? parseV4(group) : undefined;
    if (inner !== undefined) bytes.push(...inner);
    else if (/^[\da-f]{1,4}$/i.test(group)) bytes.push(...bytesOf(Number.parseInt(group, 16)));
    else return undefined;
  }
  return bytes;
}

function bytesOf(group: number): AddressBytes {
  return [group >> 8, group & 255];
}

/** @param text `address/bits` */
function block(text: string): Block {
  const [address, bits] = text.split("/");
  return [parseAddress(address!)!, Number(bits)];
}

/** Both of one length. */
function isWithin(bytes: AddressBytes, [base, bits]: Block): boolean {
  return bytes.every((byte, i) => {
    const shift = 8 - Math.min(8, Math.max(0, bits - 8 * i));
    return byte >> shift === base[i]! >> shift;
  });
}
