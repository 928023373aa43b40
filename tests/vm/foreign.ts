/** Packs what a guest of another machine than this one needs: programs cross-compiled, the agent's bundle, and npm's Deno. */

import { createHash } from "node:crypto";
import { homedir } from "node:os";
import type { Arch } from "./guests.ts";
import { bundleAgent, copyAgent, fill, finish, ROOT, type Share, tool, WORK } from "./pack.ts";

/**
 * Packs the folder `build/vm/share-ARCH`.
 *
 * @param agent Path of an executable for that machine; default: a bundle that its Deno runs, as there may be no runtime
 *   to compile one with
 * @throws when something does not build, or npm cannot bring that machine's Deno
 */
export async function packForeign(arch: Arch, agent?: string): Promise<Share> {
  const dir = `${WORK}/share-${arch}`, image = `${dir}.img`, built = `${ROOT}/build/${arch}`;
  await fill(dir, `${ROOT}/tests/vm/guest/main.ts`, arch, await foreignDeno(arch));
  if (agent !== undefined) await copyAgent(agent, `${dir}/agent`);
  else {
    await tool(`${ROOT}/scripts/build`, ["--arch", arch, "bpf"]);
    await bundleAgent(`${dir}/agent`, `${dir}/deno`, `${built}/libbpf.so`);
    await Deno.copyFile(`${built}/aegis.bpf.o`, `${dir}/agent/aegis.bpf.o`);
  }
  await finish(dir, image);
  return { dir, image, agent: `${dir}/agent/aegisbpf` };
}

/** The path of the Deno that npm has for another machine, as the lockfile pins it, kept in the guests' cache. */
async function foreignDeno(arch: Arch): Promise<string> {
  const name = `@deno/linux-${arch === "aarch64" ? "arm64" : "x64"}-glibc`;
  const { version, integrity } =
    JSON.parse(Deno.readTextFileSync(`${ROOT}/package-lock.json`)).packages[`node_modules/${name}`];
  const kept = `${cache()}/deno-${version}-${arch}`;
  if (await exists(kept)) return kept;
  await Deno.mkdir(cache(), { recursive: true });
  const dir = await Deno.makeTempDir({ dir: cache() });
  try {
    await tool("npm", ["pack", "--silent", "--pack-destination", dir, `${name}@${version}`]);
    const [archive] = [...Deno.readDirSync(dir)].map((entry) => `${dir}/${entry.name}`);
    if (archive === undefined) throw new Error(`npm pack left no ${name}`);
    const sum = `sha512-${createHash("sha512").update(await Deno.readFile(archive)).digest("base64")}`;
    if (sum !== integrity) throw new Error(`${name}@${version} is ${sum}, not the lockfile's ${integrity}`);
    await tool("tar", ["-xf", archive, "-C", dir, "package/deno"]);
    await Deno.chmod(`${dir}/package/deno`, 0o755);
    await Deno.rename(`${dir}/package/deno`, kept);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  return kept;
}

/** As `vm` finds it. */
function cache(): string {
  const { VM_CACHE, AEGISBPF_CACHE, XDG_CACHE_HOME } = Deno.env.toObject();
  return VM_CACHE || `${AEGISBPF_CACHE || `${XDG_CACHE_HOME || `${homedir()}/.cache`}/aegisbpf`}/vm`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
