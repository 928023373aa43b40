/**
 * The decoys of `prove`: for each attempt a file with a secret where a rule names it, and beside it a control, the same
 * in all but the rule.
 *
 * @module
 */
import type { Attempt, TargetKind, WayName } from "../agent/prove_catalogue.ts";
import { AT_FDCWD, must } from "./prove_calls.ts";
import { decoyProgram, dynamicProgram, openingProgram } from "./prove_programs.ts";

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

/** Programs that stand for executables: one that decoys' rules except, and a copy that they do not. */
export interface Programs {
  readonly excepted: string;
  readonly copy: string;
}

/** Makes them in a folder. */
export function makePrograms(folder: string): Programs {
  const programs = { excepted: `${folder}/excepted`, copy: `${folder}/copy` };
  for (const path of Object.values(programs)) writeProgram(path, openingProgram());
  return programs;
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
  FIFO: (place, way) => {
    makeDirectory(place, way);
    must("mknod", "mknodat", AT_FDCWD, place.file, S_IFIFO | 0o700, 0);
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
  const text = new TextEncoder().encode(secret);
  const bytes = way === "ld.so" ? dynamicProgram(text) : decoyProgram(text);
  writeProgram(path, bytes);
}

function writeProgram(path: string, bytes: Uint8Array): void {
  Deno.writeFileSync(path, bytes, { mode: 0o700, createNew: true });
  // The mode that was asked for is less the umask.
  Deno.chmodSync(path, 0o700);
}

const RENAME_EXCHANGE = 2;
const S_IFIFO = 0o10000;
