/** Builds what a guest needs beside its kernel: `act`, the case runner, Deno and the agent, in one folder and its image. */

import { dirname, resolve } from "node:path";
import type { Arch } from "./guests.ts";

/** The project's folder. */
export const ROOT = resolve(import.meta.dirname ?? ".", "../..");
/** Where everything of these tests is built and kept. */
export const WORK = `${ROOT}/build/vm`;

/** What was packed. */
export interface Share {
  /** The folder, whose path is the same in a guest. */
  readonly dir: string;
  /** Its image, for `vm run --packed`. */
  readonly image: string;
  /** The agent in it. */
  readonly agent: string;
}

/**
 * Packs the folder `build/vm/share`.
 *
 * @param agent Path of `aegisbpf`: one executable, or the launcher of a bundle that lies beside it with its Deno
 * @throws when something does not build
 */
export async function pack(agent: string): Promise<Share> {
  const dir = `${WORK}/share`, image = `${WORK}/share.img`;
  await fill(dir, `${ROOT}/tests/vm/guest/main.ts`);
  await copyAgent(agent, `${dir}/agent`);
  await finish(dir, image);
  return { dir, image, agent: `${dir}/agent/aegisbpf` };
}

/** Adds what only the catalogue needs, and makes the folder's image. */
export async function finish(dir: string, image: string): Promise<void> {
  await makeImages(dir);
  await tool("clang", [
    ...["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", `-I${ROOT}/build/libbpf/include`],
    ...["-idirafter", `/usr/include/${Deno.build.arch}-linux-gnu`],
    ...["-c", `${ROOT}/tests/vm/guest/hammer.bpf.c`, "-o", `${dir}/hammer.bpf.o`],
  ]);
  await tool(`${ROOT}/tests/vm/vm`, ["pack", dir, image]);
}

/**
 * Makes a folder anew, with a program of the tree as `main.js` in it, Deno, `act` and `nothing`.
 *
 * @param arch The machine to fill it for
 * @param deno Path of that machine's Deno
 */
export async function fill(
  dir: string,
  entry: string,
  arch: Arch = Deno.build.arch,
  deno: string = Deno.execPath(),
): Promise<void> {
  await Deno.remove(dir, { recursive: true }).catch(() => {});
  await Deno.mkdir(dir, { recursive: true });
  await buildAct(dir, arch);
  await bundle(entry, `--outfile=${dir}/main.js`);
  await Deno.copyFile(deno, `${dir}/deno`);
}

/**
 * Puts the agent into a folder as a bundle that takes whatever `aegis.bpf.o` lies beside it: an executable only takes the
 * one that it was built with.
 *
 * @param deno Path of the Deno that runs it
 * @param libbpf Path of that machine's libbpf
 */
export async function bundleAgent(
  dir: string,
  deno: string,
  libbpf = `${ROOT}/build/libbpf.so`,
): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
  const lazy = "--banner:js=const require = (name) => process.getBuiltinModule(name);";
  await bundle(`${ROOT}/src/cli/main.ts`, "--splitting", `--outdir=${dir}`, lazy);
  await Deno.copyFile(libbpf, `${dir}/libbpf.so`);
  const options = "--quiet --allow-all --no-check --no-code-cache";
  await Deno.writeTextFile(
    `${dir}/aegisbpf`,
    `#!/bin/sh\nexec ${deno} run ${options} ${dir}/main.js "$@"\n`,
    {
      mode: 0o755,
    },
  );
}

/** Compiles the kernel side that lies in `folder`/bpf, as `scripts/build` does. */
export async function compileObject(folder: string, object: string): Promise<void> {
  const script = 'cd "$0" && . scripts/lib.sh && compile_object "$1" "$2"';
  await tool("/bin/bash", ["-c", script, ROOT, folder, object]);
}

/**
 * Bundles a program of the tree with esbuild.
 *
 * @param options Further ones: where to, and how
 */
export async function bundle(entry: string, ...options: readonly string[]): Promise<void> {
  // The binary itself: npm's wrapper of it needs Node.
  const machine = Deno.build.arch === "x86_64" ? "x64" : "arm64";
  await tool(`${ROOT}/node_modules/@esbuild/linux-${machine}/bin/esbuild`, [
    ...[entry, "--bundle", "--format=esm", "--platform=node", "--target=esnext", "--log-level=warning"],
    ...options,
  ]);
}

/** Empty file systems for cases that need others than ext4: holes, so that they take hardly any room. */
async function makeImages(dir: string): Promise<void> {
  for (
    const [fs, mib, ...make] of [["xfs", 300, "mkfs.xfs", "-q"], ["btrfs", 128, "mkfs.btrfs", "-q"]] as const
  ) {
    const image = `${dir}/${fs}.img`, [program, ...options] = make;
    await Deno.writeFile(image, new Uint8Array());
    await Deno.truncate(image, mib * 1024 * 1024);
    await tool(program, [...options, image]);
  }
}

/** Builds `act` and `nothing`, both static, into a folder. */
export async function buildAct(dir: string, arch: Arch = Deno.build.arch): Promise<void> {
  const gcc = arch === Deno.build.arch ? "gcc" : `${arch}-linux-gnu-gcc`;
  const source = `${ROOT}/tests/vm/act`;
  const files = [...Deno.readDirSync(source)].map((entry) => entry.name).filter((name) =>
    /^(act|ops_\w+)\.c$/.test(name)
  );
  const warnings = ["-Wall", "-Wextra", "-Werror", "-std=gnu11"];
  await tool(gcc, [
    ...["-O2", "-s", "-static", ...warnings, "-o", `${dir}/act`, ...files.map((name) => `${source}/${name}`)],
  ]);
  await tool(gcc, [
    "-s",
    "-static",
    "-nostdlib",
    ...warnings,
    "-o",
    `${dir}/nothing`,
    `${source}/nothing.c`,
  ]);
}

/**
 * Copies the agent into a folder.
 *
 * @param agent One executable, or the launcher of a bundle that lies beside it with its Deno
 */
export async function copyAgent(agent: string, dir: string): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
  await Deno.copyFile(agent, `${dir}/aegisbpf`);
  await Deno.chmod(`${dir}/aegisbpf`, 0o755);
  if (await isElf(agent)) return;
  await tool("cp", ["-rL", `${dirname(agent)}/bundle`, `${dirname(agent)}/deno`, dir]);
}

/**
 * Runs a program that must succeed.
 *
 * @throws with what it printed
 */
export async function tool(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  if (!success) {
    throw new Error(`${program} ${args.slice(0, 2).join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
  }
}

async function isElf(path: string): Promise<boolean> {
  using file = await Deno.open(path);
  const head = new Uint8Array(4);
  await file.read(head);
  return head.join() === "127,69,76,70";
}
