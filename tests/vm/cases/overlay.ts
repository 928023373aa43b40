/** overlayfs, where one file has two inodes: the merged one and that of the layer it is in. */

import type { Case, Setup } from "../guest/case.ts";
import { equal } from "../guest/case.ts";
import { needFileSystem } from "../guest/images.ts";
import { type Scene, scenes } from "../guest/scene.ts";

/** Makes lower, upper and merged directories, and mounts them; the lower one holds the files. */
function overlay(t: Setup): void {
  needFileSystem("overlay");
  const dir = t.dir();
  for (const name of ["lower/d", "upper", "work", "merged"]) {
    Deno.mkdirSync(`${dir}/${name}`, { recursive: true });
  }
  for (const name of ["secret", "control", "other", "d/secret"]) t.file(`${dir}/lower/${name}`);
  for (const name of ["run", "runs"]) t.program(`${dir}/lower/${name}`);
  const options = `lowerdir=${dir}/lower,upperdir=${dir}/upper,workdir=${dir}/work`;
  equal(t.act.one("mount", "overlay", "none", `${dir}/merged`, options), "ok", "the overlay's mount");
}

const control = "ok open-read @merged/control";
const lower = ["lower/secret"], merged = ["merged/secret"];

const cases: readonly Scene[] = [
  {
    name: "a lower file, opened through the overlay",
    paths: lower,
    lines: ["EPERM open-read @merged/secret", "EPERM open-read @lower/secret", control],
    event: "read",
  },
  {
    name: "a lower file, opened through the overlay for writing",
    paths: lower,
    lines: [
      "EPERM open-write @merged/secret",
      "EPERM open-read @merged/secret",
      "ok open-rdwr @merged/control",
    ],
  },
  {
    name: "a lower file, which cannot be copied up by whom it is denied",
    paths: lower,
    lines: [
      ...["EPERM chmod @merged/secret 640", "EPERM rename @merged/secret @merged/moved"],
      ...["EPERM link @merged/secret @merged/linked", "EPERM truncate @merged/secret", control],
    ],
  },
  {
    name: "a lower file, copied up by whom it is not denied",
    paths: [...lower, "lower/other"],
    lines: [
      ...["ok --cgroup %exempt put @merged/secret text", "EPERM open-read @merged/secret"],
      ...["ok --cgroup %exempt chmod @merged/other 640", "EPERM open-read @merged/other"],
      ...["EPERM open-read @upper/secret", "EPERM open-read @lower/secret"],
      ...["ok --cgroup %exempt put @merged/control text", control],
    ],
  },
  {
    name: "a lower file that may be read, and not be copied up by whom writing is denied",
    paths: lower,
    rule: { deny: ["write"] },
    lines: [
      ...["EPERM open-write @merged/secret", "ok open-read @merged/secret", "EPERM chmod @merged/secret 640"],
      ...["ok --cgroup %exempt chmod @merged/secret 640", "EPERM open-append @merged/secret"],
      ...["ok open-read @merged/secret", "ok open-rdwr @merged/control"],
    ],
    event: "write",
  },
  {
    name: "below a lower directory, copied up by whom it is not denied",
    paths: ["lower/d/**"],
    lines: [
      "ok --cgroup %exempt put @merged/d/secret text",
      "EPERM open-read @merged/d/secret",
      ...["ok put @merged/d/new text", "ok open-read @merged/d/new", control],
    ],
  },
  {
    name: "operations on the merged name of a lower file",
    paths: lower,
    rule: { deny: ["delete", "rename", "link", "attr", "truncate"] },
    lines: [
      ...["EPERM unlink @merged/secret", "EPERM rename @merged/secret @merged/o"],
      ...["EPERM link @merged/secret @merged/o", "EPERM chmod @merged/secret 600"],
      ...["EPERM truncate @merged/secret", "ok open-read @merged/secret", "ok unlink @merged/control"],
    ],
    event: "delete",
  },
  { name: "a merged path", paths: merged, lines: ["EPERM open-read @merged/secret", control], event: "read" },
  {
    name: "a merged path, copied up since",
    paths: merged,
    lines: ["ok --cgroup %exempt put @merged/secret text", "EPERM open-read @merged/secret", control],
  },
  {
    name: "a merged path, replaced",
    paths: merged,
    lines: [
      "ok put @merged/new text",
      "ok rename @merged/new @merged/secret",
      "EPERM open-read @merged/secret",
      control,
    ],
  },
  {
    name: "a merged path, deleted and created again",
    paths: merged,
    rule: { deny: ["read"] },
    lines: ["ok recreate @merged/secret text", "EPERM open-read @merged/secret", control],
  },
  {
    name: "a merged path, renamed",
    paths: merged,
    lines: ["ok rename @merged/secret @merged/moved", "EPERM open-read @merged/moved", control],
  },
  {
    name: "a subtree of the lower directory",
    paths: ["lower/**"],
    rule: { deny: ["read"] },
    lines: [
      ...["EPERM open-read @merged/secret", "EPERM open-read @merged/d/secret", "ok put @merged/new text"],
      "ok open-read @merged/new",
    ],
  },
  {
    name: "a subtree of the merged directory",
    paths: ["merged/d/**"],
    rule: { deny: ["read"] },
    lines: [
      "EPERM open-read @merged/d/secret",
      "ok put @merged/d/new text",
      "EPERM open-read @merged/d/new",
      control,
    ],
  },
  {
    name: "execution through the overlay",
    paths: ["lower/run"],
    rule: { deny: ["exec"] },
    lines: ["EPERM exec @merged/run", "ok exec @merged/runs", "ok open-read @merged/run"],
    event: "exec",
  },
  {
    name: "mapping a lower file to be executed",
    paths: ["lower/run", "lower/d/**"],
    rule: { deny: ["exec"] },
    lines: [
      ...["EPERM mmap-exec @merged/run", "EPERM mprotect-exec @merged/run", "ok mmap-read @merged/run"],
      ...["EPERM mmap-exec @merged/d/secret", "ok mmap-exec @merged/runs", "EPERM mmap-exec @lower/run"],
    ],
    event: "exec",
  },
  {
    name: "operations on a merged name",
    paths: merged,
    rule: { deny: ["delete", "rename", "attr", "truncate"] },
    lines: [
      ...[
        "EPERM unlink @merged/secret",
        "EPERM rename @merged/secret @merged/o",
        "EPERM chmod @merged/secret 600",
      ],
      ...["EPERM truncate @merged/secret", "ok open-read @merged/secret", "ok unlink @merged/control"],
    ],
  },
  {
    name: "the upper file itself, of a merged path",
    paths: ["upper/secret", "merged/secret"],
    lines: [
      "ok --cgroup %exempt put @merged/secret text",
      "EPERM open-read @upper/secret",
      "EPERM open-read @merged/secret",
    ],
  },
  ...[lower, merged].map((paths, i): Scene => ({
    name: `one open of a ${i ? "merged" : "lower"} file is one decision and one event`,
    paths,
    lines: ["EPERM open-read @merged/secret"],
    after: async (t) => {
      await t.events.of(t.ruleId());
      await new Promise((done) => setTimeout(done, 500));
      const events = await t.events.of(t.ruleId());
      equal(events.map((event) => event.count).join(), "1", "the events' counts");
    },
  })),
].map((scene): Scene => ({ files: [], prepare: overlay, ...scene }));

/** The cases of `overlay`. */
export const overlays: Case[] = scenes("overlay", cases);
