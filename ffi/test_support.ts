/**
 * What the tests of this folder share: BPF objects compiled on the spot and a BPF file system of their own.
 *
 * @module
 */
import { mount, unmount } from "./libc.ts";
import { libbpf } from "./library.ts";

// It stays open until the process ends; opened within a test it would count as a leak of that test.
libbpf();

/** A folder with a BPF file system mounted on it. */
export class TemporaryBpffs implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "aegisbpf-bpffs-" });

  constructor() {
    mount("bpf", this.path, "bpf", 0, "mode=0700");
  }

  /** Path of a pin in it. */
  pin(name: string): string {
    return `${this.path}/${name}`;
  }

  [Symbol.dispose](): void {
    unmount(this.path, { detach: true });
    Deno.removeSync(this.path);
  }
}

/** Compiles `testdata/NAME.bpf.c` and gives the object. */
export function compile(name: string): Uint8Array<ArrayBuffer> {
  const source = new URL(`testdata/${name}.bpf.c`, import.meta.url).pathname;
  // As scripts/build compiles: with the headers of our own libbpf where it is built, else with the system's.
  const headers = new URL("../build/libbpf/include", import.meta.url).pathname;
  const { success, stdout, stderr } = new Deno.Command("clang", {
    args: [
      ...["-O2", "-g", "-target", "bpf", "-Wall", "-Werror", `-I${headers}`],
      ...["-idirafter", `/usr/include/${Deno.build.arch}-linux-gnu`, "-c", source, "-o", "-"],
    ],
  }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return stdout as Uint8Array<ArrayBuffer>;
}

/** Little-endian bytes of numbers of 32 bits. */
export function u32(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array(values).buffer);
}

/** Little-endian bytes of numbers of 64 bits. */
export function u64(...values: (number | bigint)[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer);
}

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
