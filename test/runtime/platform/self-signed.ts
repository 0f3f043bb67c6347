/** A certificate for one name that signs itself, put together byte by byte: node:crypto makes keys, and no certificates. */
import { generateKeyPairSync, sign } from "node:crypto";

export interface SelfSigned {
  /** PEM */
  readonly certificate: string;
  /** PEM */
  readonly key: string;
}

export function selfSigned(name: string): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ecdsaWithSha256 = sequence(objectId(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2));
  const subject = sequence(der(0x31, sequence(objectId(0x55, 4, 3), der(0x0c, text(name)))));
  const alternativeName = sequence(objectId(0x55, 0x1d, 0x11), der(0x04, sequence(der(0x82, text(name)))));
  const signed = sequence(
    der(0xa0, integer(2)),
    integer(1),
    ecdsaWithSha256,
    subject,
    sequence(der(0x18, text("20200101000000Z")), der(0x18, text("21000101000000Z"))),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(alternativeName)),
  );
  const signature = der(0x03, Uint8Array.of(0), sign("sha256", signed, privateKey));
  const lines = sequence(signed, ecdsaWithSha256, signature)
    .toString("base64")
    .match(/.{1,64}/g)!;
  return {
    certificate: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

/** One element: its tag, its length, what it holds. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const size = body.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Buffer.concat([Uint8Array.of(tag, ...length), body]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const integer = (value: number) => der(0x02, Uint8Array.of(value));
const objectId = (...bytes: number[]) => der(0x06, Uint8Array.from(bytes));
const text = (value: string) => new TextEncoder().encode(value);
