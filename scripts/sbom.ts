// Prints the bill of materials of the executable, CycloneDX 1.6 in JSON: what scripts/build puts into it, with versions and hashes.
//
//   scripts/deno run -A scripts/sbom.ts [--executable PATH]
//
// The npm part is read from package-lock.json, the C part from scripts/build-libbpf, so neither can be forgotten here.

import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";

const ROOT = new URL("../", import.meta.url).pathname;

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

const read = (path: string): string => Deno.readTextFileSync(`${ROOT}${path}`);
const { values } = parseArgs({ options: { executable: { type: "string" } } });
const version: string = JSON.parse(read("deno.json")).version;

const program = new Models.Component(Enums.ComponentType.Application, "aegisbpf", {
  version,
  bomRef: `aegisbpf@${version}`,
  licenses: licence("Apache-2.0"),
});
if (values.executable !== undefined) {
  const sum = createHash("sha256").update(Deno.readFileSync(values.executable)).digest("hex");
  program.hashes.set(Enums.HashAlgorithm["SHA-256"], sum);
}
const bom = new Models.Bom({ metadata: new Models.Metadata({ component: program }) });
for (const component of [...npmComponents(), ...nativeComponents()]) {
  bom.components.add(component);
  program.dependencies.add(component.bomRef);
}
const normalizers = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
console.log(
  new Serialize.JsonSerializer(normalizers).serialize(bom, { sortLists: true, space: 2 }),
);

/** Run-time packages, as npm locked them. The runtime's own package is below, by the name of what goes in. */
function* npmComponents(): Generator<Models.Component> {
  const lock: { packages: Record<string, LockedPackage> } = JSON.parse(read("package-lock.json"));
  for (const [path, locked] of Object.entries(lock.packages)) {
    if (path === "" || locked.dev || locked.optional) continue;
    const name = path.replace(/^.*node_modules\//, "");
    yield component(name, locked.version, {
      purl: `pkg:npm/${name.replace("@", "%40")}@${locked.version}`,
      licence: locked.license ?? "NOASSERTION",
      ...(locked.integrity ? { hash: fromIntegrity(locked.integrity) } : {}),
    });
  }
}

/** libbpf with what is linked into it, as scripts/build-libbpf pins them, and the runtime. */
function* nativeComponents(): Generator<Models.Component> {
  const script = read("scripts/build-libbpf");
  const licences: Record<string, string> = {
    libbpf: "BSD-2-Clause",
    elfutils: "LGPL-3.0-or-later",
    zlib: "Zlib",
  };
  for (const [name, licence] of Object.entries(licences)) {
    const found = script.match(
      new RegExp(`\\b${name}=${name}_(\\S+?)(?:\\.dfsg)?\\.orig\\S+ ${name}_sum=([0-9a-f]{64})`),
    );
    if (!found) throw new Error(`Expected ${name}=FILE ${name}_sum=SHA256 in scripts/build-libbpf`);
    const [, version = "", sum = ""] = found;
    const purl = `pkg:generic/${name}@${version}`;
    yield component(name, version, { purl, licence, hash: [Enums.HashAlgorithm["SHA-256"], sum] });
  }
  const { optionalDependencies } = JSON.parse(read("package.json"));
  const deno: string = optionalDependencies["@deno/linux-x64-glibc"];
  yield component("deno", deno, { purl: `pkg:github/denoland/deno@v${deno}`, licence: "MIT" });
}

function component(
  name: string,
  version: string,
  about: {
    readonly purl: string;
    readonly licence: string;
    readonly hash?: readonly [Enums.HashAlgorithm, string];
  },
): Models.Component {
  const made = new Models.Component(Enums.ComponentType.Library, name, {
    version,
    bomRef: `${name}@${version}`,
    purl: about.purl,
    licenses: licence(about.licence),
  });
  if (about.hash) made.hashes.set(...about.hash);
  return made;
}

function licence(id: string): Models.LicenseRepository {
  return new Models.LicenseRepository([new Models.SpdxLicense(id as "MIT")]);
}

/** npm's `ALGORITHM-BASE64`. */
function fromIntegrity(integrity: string): readonly [Enums.HashAlgorithm, string] {
  const [algorithm, base64 = ""] = integrity.split("-", 2);
  if (algorithm !== "sha512") throw new Error(`Expected sha512 in package-lock.json, got ${algorithm}`);
  return [Enums.HashAlgorithm["SHA-512"], Uint8Array.fromBase64(base64).toHex()];
}
