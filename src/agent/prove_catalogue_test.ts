import { deepEqual, equal, ok } from "node:assert/strict";
import { OPERATIONS } from "../policy/operations.ts";
import { type Promise, type WayName, WAYS } from "./prove_catalogue.ts";

/** Ways of a row of docs/coverage.md, or why `prove` has none. */
type Row = readonly WayName[] | string;

/** Ways round a rule, by the first cell of their row. */
const ROWS: Readonly<Record<string, Row>> = {
  "another name: hard link, symbolic link, bind mount, other mount namespace, chroot, `/proc/self/fd`, handle":
    [
      "direct",
      "symlink",
      "hard link",
      "rename",
      "parent renamed",
      "bind mount",
      "mount namespace",
      "detached mount",
      "chroot",
      "/proc/self/fd",
      "file handle",
      "openat2",
      "FIFO",
    ],
  "atomic replace, delete and create again, `ln -f`, exchange, a path that comes to exist": [
    "exchange",
    "atomic replace",
    "delete and create",
    "ln -f",
    "created later",
  ],
  "a directory on the path moved away, made again, or replaced by another with its contents": [
    "parent swapped",
    "created later with its directory",
  ],
  "a symbolic link on the path changed": "rules name decoys without links; guests try it (symlink swap)",
  "something mounted over the path": "everybody would see the mount; guests try it (nested mount)",
  "below `DIR/**`: created later, bind mounts of it, files moved in": [
    "new file",
    "nested",
    "new directory",
    "moved in",
  ],
  "moved or linked out of `DIR/**`": ["moved out", "directory moved out", "linked out"],
  "hard links out of `DIR/**` made before the rule": "nothing is promised",
  "a mount below `DIR/**`": "nothing is promised",
  "io_uring": ["io_uring"],
  "overlayfs: a rule on a lower file": ["through an overlay", "copied up in an overlay"],
  "overlayfs: a rule on the merged path": "everybody would see the mount; guests try it (overlay)",
  "inode numbers used again": "no number can be had at will; guests try it (inode reuse)",
  "a script's interpreter": ["interpreter of a script"],
  "`ld.so FILE`, a mapping that is executable": ["ld.so", "mmap", "mprotect"],
  "a descriptor that somebody else opened and passed on, opened again": [
    "descriptor passed on, opened again",
  ],
  "a cgroup below a scope, or made later; a copy of an excepted executable": [
    "cgroup below the scope",
    "cgroup made later",
    "copy of an excepted executable",
  ],
  "whom the rule is not about: outside of its scopes, or excepted": [
    "caller outside of the scope",
    "excepted cgroup",
    "excepted user",
    "excepted executable",
  ],
};

/** Operations that hooks of their own see, by the first cell of their row. */
const OPERATION_WAYS: Readonly<Record<string, readonly WayName[]>> = {
  "`delete`": ["delete", "delete a directory"],
  "`rename`": ["rename away", "rename over", "rename in exchange"],
  "`link`": ["link", "link of a descriptor"],
  "`attr`": ["chmod", "chmod of a descriptor", "chown", "times", "extended attribute"],
  "`truncate`": ["truncate", "open with O_TRUNC"],
  "`signal`": ["signal"],
};

/** What is not covered on any kernel, by its words in bold. */
const LIMITS: Readonly<Record<string, WayName>> = {
  "Descriptors from before.": "descriptor passed on",
  "Contents, not files.": "copy in memory",
  "`write` is opening for writing.": "truncate without an open",
};

const TEXT = Deno.readTextFileSync(`${import.meta.dirname}/../../docs/coverage.md`);

Deno.test("WAYS has a way, or there is a named reason, for each row of docs/coverage.md", () => {
  deepEqual([...tableBelow("Ways round a rule").keys()].toSorted(), Object.keys(ROWS).toSorted());
  const operations = tableBelow("By operation, kernel and backend");
  for (const op of OPERATIONS) ok([...operations.keys()].some((cell) => cell.includes(`\`${op}\``)), op);
  for (const cell of operations.keys()) {
    const found = OPERATION_WAYS[cell] ??
      WAYS.filter(({ ops }) => ops.some((op) => cell.includes(`\`${op}\``)));
    ok(found.length > 0, cell);
  }
});

Deno.test("docs/coverage.md has a row, or names a limit, for each of WAYS", () => {
  const rows = Object.values(ROWS).flatMap((row) => typeof row === "string" ? [] : row);
  const named = [...rows, ...Object.values(OPERATION_WAYS).flat(), ...Object.values(LIMITS)];
  deepEqual(named.toSorted(), WAYS.map(({ name }) => name).toSorted());
  for (const words of Object.keys(LIMITS)) ok(TEXT.includes(`- **${words}**`), words);
});

Deno.test("WAYS promises what docs/coverage.md does", () => {
  const rounds = tableBelow("Ways round a rule");
  for (const [cell, row] of Object.entries(ROWS)) {
    const [hooks = "", tracepoint = ""] = rounds.get(cell) ?? [];
    for (const name of typeof row === "string" ? [] : row) {
      const way = WAYS.find((one) => one.name === name);
      equal(way?.hooks, promiseOf(hooks), `${name}: ${hooks}`);
      equal(
        way?.tracepoint,
        promiseOf(tracepoint === "the same" ? hooks : tracepoint),
        `${name}: ${tracepoint}`,
      );
    }
  }
  for (const [cell, [hooks = "", , tracepoint = ""]] of tableBelow("By operation, kernel and backend")) {
    for (const name of OPERATION_WAYS[cell] ?? ["direct"]) {
      const way = WAYS.find((one) => one.name === name);
      deepEqual([way?.hooks, way?.tracepoint], [promiseOf(hooks), promiseOf(tracepoint)], `${name}: ${cell}`);
    }
  }
  for (const name of Object.values(LIMITS)) {
    equal(WAYS.find((one) => one.name === name)?.hooks, "never", name);
  }
});

/** Rows of the table below a heading: their other cells by the first one. */
function tableBelow(heading: string): Map<string, string[]> {
  const [, section = ""] = TEXT.split(`\n## ${heading}\n`);
  const rows = (section.split("\n## ")[0] ?? "").split("\n").filter((line) => line.startsWith("|"));
  return new Map(
    rows.slice(2).map((row) => {
      const [first = "", ...others] = row.split("|").slice(1, -1).map((cell) => cell.trim());
      return [first, others];
    }),
  );
}

function promiseOf(cell: string): Promise {
  if (/^not /.test(cell)) return "never";
  return /100 ms/.test(cell) ? "soon" : "always";
}
