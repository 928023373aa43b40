import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { formatProblem } from "../problem.ts";
import { type AllowedSigner, isPrincipal, parseAllowedSigners } from "./allowed_signers.ts";

/** Keys of these kinds, made by ssh-keygen for this test alone. */
const ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIFwc07CCAL3niWlUazUECgB4VEPfTlkbcN55YgcIrtF2";
const ECDSA =
  "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDxNFiJLEk21TeLmMgw1a+wr7fGT/YXZGdvR/Acraaso" +
  "+fn4impsN3yc+0UM5G9KRYpeW5EwEPmgKA6Wz93Bb6M=";
/** Only their names are real; no more is looked at. */
const named = (type: string) =>
  new Uint8Array([0, 0, 0, type.length, ...new TextEncoder().encode(type)]).toBase64();

const parse = (text: string) => parseAllowedSigners(new TextEncoder().encode(text), "s");

function accept(text: string): readonly AllowedSigner[] {
  const result = parse(text);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join("\n"));
  return result.signers;
}

function refuse(text: string): string {
  const result = parse(text);
  return result.ok ? "accepted" : result.problems.map(formatProblem).join("\n");
}

Deno.test("parseAllowedSigners() reads principals, options, key and comment", () => {
  const text = [
    "# who may sign",
    "",
    `alice@example.com ssh-ed25519 ${ED25519} her comment`,
    `  bob@example.com,*@ops\tnamespaces="file,aegisbpf-*",valid-after="20270101Z",valid-before="20280101Z"\t` +
    `ecdsa-sha2-nistp256  ${ECDSA}\r`,
    `"a name" NAMESPACES="a \\"b\\"" ssh-ed25519 ${ED25519}`,
  ].join("\n");
  deepStrictEqual(accept(text), [
    { line: 3, principals: "alice@example.com", key: ED25519 },
    {
      line: 4,
      principals: "bob@example.com,*@ops",
      key: ECDSA,
      namespaces: "file,aegisbpf-*",
      validAfter: Date.UTC(2027, 0, 1),
      validBefore: Date.UTC(2028, 0, 1),
    },
    { line: 5, principals: "a name", key: ED25519, namespaces: 'a "b"' },
  ]);
  deepStrictEqual(accept(""), []);
});

Deno.test("parseAllowedSigners() keeps lines that OpenSSH can use and policies cannot, and says why", () => {
  const why = (line: string) => accept(line)[0]?.unusable ?? "";
  match(why(`ca@x cert-authority ssh-ed25519 ${ED25519}`), /^certificate authorities are not accepted/);
  match(why(`ca@x namespaces="git",cert-authority ssh-ed25519 ${ED25519}`), /^certificate authorities/);
  match(why(`a ssh-rsa ${named("ssh-rsa")}`), /^RSA keys are not accepted; use ssh-ed25519 or/);
  match(why(`a ssh-dss ${named("ssh-dss")}`), /^DSA keys/);
  match(why(`a ecdsa-sha2-nistp384 ${named("ecdsa-sha2-nistp384")}`), /^ECDSA keys on other curves/);
  const device = "sk-ssh-ed25519@openssh.com";
  match(why(`a ${device} ${named(device)}`), /^keys of security devices \(sk-ssh/);
  const certificate = "ssh-ed25519-cert-v01@openssh.com";
  match(why(`a ${certificate} ${named(certificate)}`), /^certificates \(ssh-ed25519-cert/);
});

Deno.test("parseAllowedSigners() tells every problem with its line and column", () => {
  strictEqual(
    refuse(`alice\nbob ssh-ed25519\n\ncarol valid-after="x" ssh-ed25519 ${ED25519}\n`),
    "s:1:6: there is no key; expected a key such as ssh-ed25519 AAAA...\n" +
      "s:2:16: this is not the base64 of a key; expected a key such as ssh-ed25519 AAAA...\n" +
      's:4:7: valid-after: "x" is no time; expected YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, ' +
      "with Z behind it for UTC",
  );
});

const KEY = `ssh-ed25519 ${ED25519}`;
const REFUSED: Readonly<Record<string, readonly [text: string, said: RegExp]>> = {
  "an open quote of principals": [`"alice ${KEY}`, /^s:1:1: the quote is not closed/],
  "an open quote of options": [`alice namespaces="file ${KEY}`, /^s:1:18: the quote is not closed/],
  "empty principals": [`"" ${KEY}`, /^s:1:1: there is no principal/],
  "an unknown option": [`alice no-touch-required ${KEY}`, /^s:1:7: "no-touch-required" is no option/],
  "an option without quotes": [`alice namespaces=file ${KEY}`, /^s:1:7: "namespaces=file" is no option/],
  "an option twice": [
    `alice namespaces="a",namespaces="b" ${KEY}`,
    /^s:1:22: the option namespaces is there twice/,
  ],
  "valid-after twice": [
    `alice valid-after="20270101",valid-after="20280101" ${KEY}`,
    /^s:1:30: the option valid-after is there twice/,
  ],
  "a comma at the end of options": [`alice namespaces="a", ${KEY}`, /^s:1:22: the options end in a comma/],
  "an end before the beginning": [
    `alice valid-after="20280101",valid-before="20270101" ${KEY}`,
    /^s:1:7: valid-before is not later than valid-after/,
  ],
  "a date that does not exist": [
    `alice valid-before="20270230" ${KEY}`,
    /^s:1:7: valid-before: "20270230" is no time/,
  ],
  "options and no key": ['alice namespaces="a"', /^s:1:21: there is no key/],
  "an unknown kind of key": [`alice namespaces="a" ssh-x ${ED25519}`, /^s:1:22: "ssh-x" is no kind of key/],
  "base64 that is none": ["alice ssh-ed25519 AAAA!", /^s:1:19: this is not the base64/],
  "a key that is cut off": [
    `alice ssh-ed25519 ${ED25519.slice(0, -4)}`,
    /^s:1:7: the key is damaged: it ends too early/,
  ],
  "a key with bytes behind it": [
    `alice ssh-ed25519 ${ED25519}AAAA`,
    /^s:1:7: the key is damaged: 3 bytes follow/,
  ],
  "a key of another kind than it says": [
    `alice ssh-ed25519 ${ECDSA}`,
    /^s:1:19: the key is damaged, or of another/,
  ],
  "a point that is not on the curve": [
    `alice ecdsa-sha2-nistp256 ${ECDSA.slice(0, -8)}AAAAAAA=`,
    /^s:1:7: the key is damaged: its point is not on the curve/,
  ],
  "a NUL": [`alice\0 ${KEY}`, /^s:1:6: a NUL is not accepted here/],
  "text that runs the other way": [`ali\u202ece ${KEY}`, /^s:1:4: U\+202E is not accepted here/],
};

for (const [name, [text, said]] of Object.entries(REFUSED)) {
  Deno.test(`parseAllowedSigners() refuses ${name}`, () => match(refuse(text), said));
}

Deno.test("parseAllowedSigners() refuses what is not UTF-8, with its line", () => {
  const result = parseAllowedSigners(new Uint8Array([0x23, 10, 0x61, 0xff, 10]), "s");
  match(result.ok ? "accepted" : result.problems.map(formatProblem).join("\n"), /^s:2:2: this is not UTF-8/);
});

Deno.test("isPrincipal() goes by the line's patterns", () => {
  const [signer] = accept(`*@example.com,!bob@example.com ${KEY}`);
  if (signer === undefined) throw new Error("Expected a signer");
  strictEqual(isPrincipal(signer, "alice@example.com"), true);
  strictEqual(isPrincipal(signer, "bob@example.com"), false);
  strictEqual(isPrincipal(signer, "alice@example.org"), false);
});
