/** Opens that start from something other than a plain path: descriptors, handles, openat2, io_uring. */

import { type Case, category, equal } from "../guest/case.ts";
import { type Route, routes } from "../guest/route.ts";

const last = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
const noUring = {
  "setup io_uring_setup ENOSYS": "the kernel is built without io_uring",
  "setup io_uring_setup EPERM": "io_uring is switched off (kernel.io_uring_disabled)",
};

const reopens: readonly Route[] = [
  { name: "an O_PATH descriptor", words: (f) => ["reopen-path", f] },
  { name: "an O_PATH descriptor, for writing", words: (f) => ["reopen-path-write", f], op: "write" },
  { name: "a child's descriptor", words: (f) => ["reopen-peer", f] },
];

const openat2: readonly Route[] = [
  { name: "plain", words: (f) => ["openat2", f], named: true },
  { name: "RESOLVE_NO_SYMLINKS", words: (f) => ["openat2", f, "no-symlinks"], named: true },
  { name: "RESOLVE_BENEATH", words: (f, t) => ["openat2-at", t.dir(), last(f), "beneath"], named: true },
  { name: "RESOLVE_IN_ROOT", words: (f, t) => ["openat2-at", t.dir(), `/${last(f)}`, "in-root"] },
  { name: "RESOLVE_NO_XDEV", words: (f, t) => ["openat2-at", t.dir(), last(f), "no-xdev"], named: true },
];

const handles: readonly Route[] = [
  { name: "open_by_handle_at", words: (f) => ["handle", f] },
];

const uring: readonly Route[] = [
  { name: "openat", words: (f) => ["uring-open", f], skips: noUring },
  { name: "openat by a worker", words: (f) => ["uring-open-async", f], skips: noUring },
  {
    name: "openat by the ring's thread",
    words: (f) => ["uring-open-sqpoll", f],
    skips: noUring,
  },
  { name: "openat2", words: (f) => ["uring-openat2", f], skips: noUring },
];

/** The cases of `proc-fd`, `openat2`, `handle`, `io_uring` and `passed descriptor`. */
export const descriptors: Case[] = [
  ...routes("proc-fd", reopens),
  ...routes("openat2", openat2),
  ...routes("handle", handles),
  ...routes("io_uring", uring),
  ...category("proc-fd", [
    {
      name: "of a file opened from an exempt cgroup, received over a socket, cannot be opened again by name",
      prepare: (t) => {
        t.deny(t.file(`${t.dir()}/secret`));
        t.file(`${t.dir()}/control`);
      },
      run: (t) => {
        const from = t.guest.exemptCgroup;
        const words = ["control", "secret"].map((name) => ["receive-fd", `${t.dir()}/${name}`, from]);
        equal(t.act.all(words)[0], "ok", "the control");
        equal(t.act.one("open-read", `${t.dir()}/secret`), "EPERM", "an open of the receiver's own");
      },
    },
  ]),
];
