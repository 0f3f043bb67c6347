import { BlockList } from "node:net";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { isPublicAddress, parseAddress } from "../../../gateway/handlers/public-address.ts";

/** Each block's first and last address, and its neighbours where those are public. */
const edges: readonly (readonly [
  name: string,
  first: string,
  last: string,
  before?: string | undefined,
  after?: string,
])[] = [
  ["this network", "0.0.0.0", "0.255.255.255", undefined, "1.0.0.0"],
  ["private", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"],
  ["carriers", "100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"],
  ["loopback", "127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"],
  ["Azure's host", "168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"],
  ["link-local", "169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"],
  ["private", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"],
  ["protocol assignments", "192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"],
  ["documentation", "192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"],
  ["private", "192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"],
  ["benchmarks", "198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"],
  ["documentation", "198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"],
  ["documentation", "203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"],
  ["multicast, reserved, broadcast", "224.0.0.0", "255.255.255.255", "223.255.255.255"],
  ["loopback", "::1", "::1"],
  ["unspecified", "::", "::"],
  ["discard", "100::", "100::ffff:ffff:ffff:ffff"],
  ["local NAT64", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
  ["outside of what is given out", "4000::", "ffff::", "3fff:ffff::"],
  ["Teredo and other protocols", "2001::", "2001:1ff:ffff::", "2000:ffff::", "2001:200::"],
  ["documentation", "2001:db8::", "2001:db8:ffff::", "2001:db7:ffff::", "2001:db9::"],
  ["documentation", "3fff::", "3fff:fff:ffff::", "3ffe:ffff::", "3fff:1000::"],
  ["unique local", "fc00::", "fdff:ffff::"],
  ["metadata in AWS", "fd00:ec2::254", "fd00:ec2::254"],
  ["link-local", "fe80::", "febf:ffff::"],
  ["multicast", "ff00::", "ffff:ffff::"],
];

describe("the edges of blocks", () => {
  it.each(edges)("%s: %s to %s are not public, their neighbours are", (...edge) => {
    const [, first, last, ...neighbours] = edge as unknown as (typeof edges)[number];
    expect(isPublicAddress(first)).toBe(false);
    expect(isPublicAddress(last)).toBe(false);
    for (const neighbour of neighbours) if (neighbour) expect(isPublicAddress(neighbour)).toBe(true);
  });
});

test("well-known public addresses are", () => {
  for (const address of [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
  ])
    expect(isPublicAddress(address)).toBe(true);
});

/** The same rules as the runtime's own list of blocks understands them. */
const closed = new BlockList();
for (const [base, bits] of [
  ...([
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["168.63.129.16", 32],
  ] as const),
  ...([
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.0.0.0", 24],
    ["192.0.2.0", 24],
  ] as const),
  ...([
    ["192.88.99.0", 24],
    ["192.168.0.0", 16],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
  ] as const),
  ...([
    ["203.0.113.0", 24],
    ["224.0.0.0", 3],
  ] as const),
] as const)
  closed.addSubnet(base, bits, "ipv4");

/** Half of them in or near the blocks: the whole range would seldom hit one. */
const bytesV4 = fc.oneof(
  fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
  fc.tuple(
    fc.constantFrom(0, 10, 100, 127, 168, 169, 172, 192, 198, 203, 224, 240, 255),
    fc.constantFrom(0, 2, 16, 18, 31, 51, 63, 64, 88, 127, 168, 254, 255),
    fc.constantFrom(0, 2, 99, 100, 113, 129, 254),
    fc.nat(255),
  ),
);

test("any address of IPv4 is judged as the runtime's list of blocks does, in each form that carries it", () => {
  fc.assert(
    fc.property(bytesV4, (bytes) => {
      const text = bytes.join(".");
      const isPublic = !closed.check(text, "ipv4");
      const [high, low] = [0, 2].map((i) => (bytes[i]! * 256 + bytes[i + 1]!).toString(16));
      const forms = [
        text,
        `::ffff:${text}`,
        `::FFFF:${high}:${low}`,
        `0:0:0:0:0:ffff:${high}:${low}`,
        `64:ff9b::${text}`,
        `64:ff9b::${high}:${low}`,
        `2002:${high}:${low}::1`,
      ];
      for (const form of forms) expect([form, isPublicAddress(form)]).toEqual([form, isPublic]);
      // Not one of those that IPv6 gives a meaning today.
      expect(isPublicAddress(`::${text}`)).toBe(false);
    }),
    { numRuns: 500 },
  );
});

test("addresses of IPv6 are read alike however they are written", () => {
  const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, (values) => {
      const long = values.map((value) => value.toString(16).padStart(4, "0")).join(":");
      const short = new URL(`http://[${long}]/`).hostname.slice(1, -1);
      const bytes = values.flatMap((value) => [value >> 8, value & 255]);
      expect(parseAddress(long)).toEqual(bytes);
      expect(parseAddress(short)).toEqual(bytes);
      expect(parseAddress(short.toUpperCase())).toEqual(bytes);
      expect(isPublicAddress(short)).toBe(isPublicAddress(long));
    }),
  );
});

test.each([
  ...["", "x", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "08.8.8.8", "0x8.8.8.8", "8.8.8.8 ", "134744072"],
  ...[
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "12345::",
    "g::",
    "2606::1%eth0",
  ],
  ...["[2606::1]", "2606:4700:4700::1111.1", "::1.2.3", "1.2.3.4::"],
])("'%s' is no address, and not public", (text) => {
  expect(parseAddress(text)).toBeUndefined();
  expect(isPublicAddress(text)).toBe(false);
});

test("no text makes it throw", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(typeof isPublicAddress(text)).toBe("boolean");
    }),
  );
});
