/**
 * What the tests of the kernel side share: the real maps and programs under the `tracepoint` backend, which every kernel
 * loads, with pins on a BPF file system of their own.
 *
 * @module
 */
import { TemporaryBpffs } from "../../ffi/test_support.ts";
import { ensureCanary, installCanaryOnly, setWithCanary } from "./canary.ts";
import type { Identity } from "./packed.ts";
import { Pins } from "./pins.ts";
import type { SetBuilder } from "./set_builder.ts";
import type { PolicyLabel } from "./sets.ts";
import { type KernelState, loadAndAttach } from "./state.ts";

/** A folder with a canary, and a place for pins; nothing is in the kernel yet. */
export class TestPlaces implements Disposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "aegisbpf-kernel-" });
  readonly bpffs: TemporaryBpffs = new TemporaryBpffs();
  readonly pins: Pins = new Pins(this.bpffs.pin("aegisbpf"));
  readonly canary: string = `${this.folder}/canary`;

  constructor() {
    ensureCanary(this.canary);
  }

  /** Writes a file; gives its path. */
  file(name: string, text: string = name): string {
    const path = `${this.folder}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  [Symbol.dispose](): void {
    this.bpffs[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** The kernel side, loaded and attached, with a set in force that names nothing but the canary. */
export class TestKernel extends TestPlaces {
  readonly state: KernelState;

  constructor() {
    super();
    this.state = loadAndAttach("tracepoint");
    installCanaryOnly(this.state, this.canary);
  }

  /** A builder of a set that can be put into force. */
  builder(): SetBuilder {
    return setWithCanary(this.identityOf(this.canary));
  }

  /** What is at a path that exists. */
  identityOf(path: string): Identity {
    const known = this.state.identities.of(path);
    if (known === undefined) throw new Error(`Expected a file at ${path}`);
    return known.identity;
  }

  override [Symbol.dispose](): void {
    this.state[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/** A rule that reports reads for everybody, with changes. */
export const AUDIT_READS = { scopes: 0n, exceptScopes: 0n, number: 1, ops: 1, flags: 0, signal: 0 } as const;

/** A label for sets that stand for no policy. */
export const LABEL: PolicyLabel = { serial: 1n, sha256: "ab".repeat(32), name: "test", enforce: false };

/** An identity made up for tests that never reach a file. */
export function identity(ino: bigint, gen = 0): Identity {
  return { ino, dev: 8 << 20 | 1, gen };
}
