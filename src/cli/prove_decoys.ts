/**
 * The decoys of `prove`: for each attempt a file with a secret where a rule names it, and beside it a control, the same
 * in all but the rule.
 *
 * @module
 */
import type { Attempt, TargetKind, WayName } from "../agent/prove_catalogue.ts";
import { AT_FDCWD, must } from "./prove_calls.ts";

/** One file, and what surrounds it. */
export interface Place {
  /** The directory that it is in; for a subtree, the directory that the rule names. */
  readonly dir: string;
  readonly file: string;
  /** A directory that no rule names, on the same file system. */
  readonly aside: string;
  /** What the file holds. */
  readonly secret: string;
}

/** What an attempt is made on. */
export interface Decoys {
  readonly decoy: Place;
  /** No rule names it: what cannot be done to it cannot be done here at all. */
  readonly control: Place;
}

/** The places of an attempt, whose names begin with `root`; nothing is made yet. */
export function decoysOf({ way }: Pick<Attempt, "way">, root: string): Decoys {
  const below = BELOW[way] ?? "decoy";
  const place = (name: string): Place => ({
    dir: `${root}-${name}`,
    file: `${root}-${name}/${below}`,
    aside: `${root}-by-${name}`,
    secret: crypto.randomUUID(),
  });
  return { decoy: place("in"), control: place("out") };
}

/** How the rule names a decoy. */
export function targetOf({ dir, file }: Place, kind: TargetKind): { path: string; kind: TargetKind } {
  return { path: kind === "subtree" ? dir : file, kind };
}

/** Makes what must be there before a rule names it. */
export function makeBefore(way: WayName, place: Place): void {
  Deno.mkdirSync(place.aside, { recursive: true, mode: 0o700 });
  (BEFORE[way] ?? makeFile)(place, way);
}

/** Makes the changes that happen once the rule is in force, by somebody whom it does not concern. */
export function makeAfter(way: WayName, place: Place): void {
  AFTER[way]?.(place, way);
}

/** Another file, for ways that take two. */
export function otherFile({ aside }: Place): string {
  return `${aside}/other`;
}

type Make = (place: Place, way: WayName) => void;

/** Where the file is below its directory, if not directly in it. */
const BELOW: Partial<Record<WayName, string>> = {
  nested: "a/b/c/decoy",
  "new directory": "sub/decoy",
  "directory moved out": "sub/decoy",
};

const makeFile: Make = ({ file, secret }, way) => {
  Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  writeDecoy(file, secret, way);
};
const makeDirectory: Make = ({ dir }) => Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
const makeNothing: Make = () => {};
const makeBoth: Make = (place, way) => {
  makeFile(place, way);
  writeDecoy(otherFile(place), place.secret, way);
};

const BEFORE: Partial<Record<WayName, Make>> = {
  exchange: makeBoth,
  "ln -f": makeBoth,
  "rename over": makeBoth,
  "rename in exchange": makeBoth,
  "created later": makeDirectory,
  "created later with its directory": makeNothing,
  "new file": makeDirectory,
  "new directory": makeDirectory,
  "parent swapped": (place, way) => {
    makeFile(place, way);
    makeFile({ ...place, file: `${place.aside}/fresh/decoy` }, way);
  },
  "moved in": (place, way) => {
    makeDirectory(place, way);
    writeDecoy(otherFile(place), place.secret, way);
  },
  "delete a directory": ({ dir }) => Deno.mkdirSync(`${dir}/sub`, { recursive: true, mode: 0o700 }),
};

const AFTER: Partial<Record<WayName, Make>> = {
  "created later": makeFile,
  "created later with its directory": makeFile,
  "new file": makeFile,
  "new directory": makeFile,
  "atomic replace": (place, way) => {
    writeDecoy(otherFile(place), place.secret, way);
    Deno.renameSync(otherFile(place), place.file);
  },
  "delete and create": (place, way) => {
    Deno.removeSync(place.file);
    makeFile(place, way);
  },
  exchange: (place) =>
    void must("exchange", "renameat2", AT_FDCWD, place.file, AT_FDCWD, otherFile(place), RENAME_EXCHANGE),
  "ln -f": (place) => {
    Deno.removeSync(place.file);
    Deno.linkSync(otherFile(place), place.file);
  },
  "parent swapped": ({ dir, aside }) => {
    Deno.renameSync(dir, `${aside}/old`);
    Deno.renameSync(`${aside}/fresh`, dir);
  },
  "moved in": (place) => Deno.renameSync(otherFile(place), place.file),
};

/** A file that can be read, written and executed alike: a program of a few instructions, and the secret behind them. */
function writeDecoy(path: string, secret: string, way: WayName): void {
  const program = way === "ld.so" ? dynamicProgram() : smallestProgram();
  const text = new TextEncoder().encode(secret);
  const bytes = new Uint8Array(program.length + text.length);
  bytes.set(program);
  bytes.set(text, program.length);
  Deno.writeFileSync(path, bytes, { mode: 0o700, createNew: true });
  // The mode that was asked for is less the umask.
  Deno.chmodSync(path, 0o700);
}

const RENAME_EXCHANGE = 2;
/** What ld.so is given to run, whichever there is; it must end with 0. */
const DYNAMIC_PROGRAMS = ["/usr/bin/true", "/bin/true"];
/** Bytes of ELF's header and of one program header. */
const HEADERS = 64 + 56;
const LOAD_ADDRESS = 0x400000n;
/** mov edi, 42; mov eax, 60; syscall */
const EXIT_X86_64 = [0xbf, 0x2a, 0, 0, 0, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05];
/** mov x0, #42; mov x8, #93; svc #0 */
const EXIT_ARM64 = [0x40, 0x05, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0, 0, 0xd4];

function dynamicProgram(): Uint8Array {
  for (const path of DYNAMIC_PROGRAMS) {
    try {
      return Deno.readFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`there is none of ${DYNAMIC_PROGRAMS.join(", ")}`);
}

/** A static program that ends with 42, so that no other program's end is taken for its own. */
function smallestProgram(): Uint8Array {
  const isArm = Deno.build.arch === "aarch64";
  const code = isArm ? EXIT_ARM64 : EXIT_X86_64;
  const bytes = new Uint8Array(HEADERS + code.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // e_type: ET_EXEC
  view.setUint16(18, isArm ? 183 : 62, true); // e_machine
  view.setUint32(20, 1, true); // e_version
  view.setBigUint64(24, LOAD_ADDRESS + BigInt(HEADERS), true); // e_entry
  view.setBigUint64(32, 64n, true); // e_phoff
  view.setUint16(52, 64, true); // e_ehsize
  view.setUint16(54, 56, true); // e_phentsize
  view.setUint16(56, 1, true); // e_phnum
  view.setUint32(64, 1, true); // p_type: PT_LOAD
  view.setUint32(68, 5, true); // p_flags: read, execute
  view.setBigUint64(80, LOAD_ADDRESS, true); // p_vaddr
  view.setBigUint64(88, LOAD_ADDRESS, true); // p_paddr
  view.setBigUint64(96, BigInt(bytes.length), true); // p_filesz
  view.setBigUint64(104, BigInt(bytes.length), true); // p_memsz
  view.setBigUint64(112, 0x10000n, true); // p_align
  bytes.set(code, HEADERS);
  return bytes;
}
