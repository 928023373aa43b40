import { deepEqual, equal } from "node:assert/strict";
import { type Caller, decide, judge, type Subject } from "./decision.ts";
import {
  cgroupEntry,
  cgroupLeafEntry,
  cgroupPlaceEntry,
  edgeEntry,
  executableEntry,
  fileEntry,
  inodeEntry,
  leafEntry,
  placeEntry,
  type SetEntry,
  subtreeEntry,
  uidEntry,
} from "./entries.ts";
import { AEGIS, KIND, OP } from "./layout.ts";
import { type Identity, identityTail, type KernelRule, nameHash } from "./packed.ts";
import type { SetView } from "./set_view.ts";

const SECRET: Identity = { ino: 10n, dev: 1, gen: 7 };
const FOLDER: Identity = { ino: 20n, dev: 1, gen: 0 };
const ROOT: Identity = { ino: 2n, dev: 1, gen: 0 };
const SSHD: Identity = { ino: 30n, dev: 1, gen: 1 };
const ROOT_CGROUP = 1n;
const WEB_CGROUP = 500n;
const ANYBODY: Caller = { uid: 0, cgroups: [ROOT_CGROUP] };
const WEB = 2n;
const TRUSTED = 4n;

const THERE: Subject = { file: SECRET, above: [FOLDER, ROOT] };

Deno.test("decide() asks the file, its inode number and its directories in the kernel's order", () => {
  const rules = [rule(), rule(), rule({ flags: 0 }), rule()];
  const entries = [
    subtreeEntry(ROOT, 0),
    inodeEntry(SECRET, 1),
    fileEntry(SECRET, 2),
    subtreeEntry(FOLDER, 3),
  ];
  const { judged, deciding } = decide(view(rules, entries), THERE, OP.READ, ANYBODY);
  deepEqual(judged.map(({ by, index }) => `${by} ${index}`), [
    "file 2",
    "inode 1",
    "subtree 3",
    "subtree 0",
  ]);
  equal(deciding?.index, 1);
});

const CASES: readonly (readonly [
  name: string,
  rule: Partial<KernelRule>,
  caller: Caller,
  op: number,
  says: string,
])[] = [
  ["denies when nothing is in the way", {}, ANYBODY, OP.READ, "deny"],
  ["reports when the rule does not enforce", { flags: 0 }, ANYBODY, OP.READ, "audit"],
  ["says nothing of another operation", {}, ANYBODY, OP.WRITE, "operation"],
  ["says nothing out of scope", { scopes: WEB }, ANYBODY, OP.READ, "scope"],
  ["denies in scope", { scopes: WEB }, inCgroup(WEB_CGROUP), OP.READ, "deny"],
  ["denies in a descendant of the scope", { scopes: WEB }, inCgroup(WEB_CGROUP, 900n), OP.READ, "deny"],
  [
    "says nothing to an excepted executable",
    { exceptScopes: TRUSTED },
    { ...ANYBODY, exe: SSHD },
    OP.READ,
    "exception",
  ],
  [
    "says nothing to an excepted uid",
    { exceptScopes: TRUSTED },
    { ...ANYBODY, uid: 33 },
    OP.READ,
    "exception",
  ],
  ["denies who is not excepted", { exceptScopes: TRUSTED }, { ...ANYBODY, uid: 34 }, OP.READ, "deny"],
  ["says nothing to an exempt cgroup", {}, inCgroup(700n), OP.READ, "exempt"],
  [
    "tells all that is in the way",
    { scopes: WEB, exceptScopes: TRUSTED },
    { ...inCgroup(700n), uid: 33 },
    OP.EXEC,
    "operation scope exception exempt",
  ],
  [
    "denies the canary to the exempt",
    { flags: AEGIS.RULE_ENFORCE | AEGIS.RULE_CANARY },
    inCgroup(700n),
    OP.READ,
    "deny",
  ],
  [
    "judges a cgroup by its place before it is made",
    { scopes: WEB },
    {
      ...ANYBODY,
      missing: ["later", "worker"],
    },
    OP.READ,
    "deny",
  ],
];

for (const [name, changes, caller, op, expected] of CASES) {
  Deno.test(`decide() ${name}`, () => {
    const set = view([rule(changes)], [fileEntry(SECRET, 0), ...CALLERS]);
    const { judged: [found] } = decide(set, THERE, op, caller);
    equal(found?.says === "nothing" ? found.unmet.map(({ kind }) => kind).join(" ") : found?.says, expected);
  });
}

Deno.test("decide() looks no deeper for cgroups than the set names them", () => {
  const set = { ...view([rule({ scopes: WEB })], [fileEntry(SECRET, 0), ...CALLERS]), cgroupDepth: 0 };
  equal(decide(set, THERE, OP.READ, inCgroup(WEB_CGROUP)).deciding, undefined);
});

Deno.test("decide() looks at no more of the caller than the live word says", () => {
  const set = { ...view([rule({ exceptScopes: TRUSTED })], [fileEntry(SECRET, 0), ...CALLERS]) };
  const caller = { ...ANYBODY, uid: 33, exe: SSHD };
  equal(decide({ ...set, live: AEGIS.LIVE_CGROUPS }, THERE, OP.READ, caller).deciding?.says, "deny");
  equal(decide({ ...set, live: AEGIS.LIVE_EXES }, THERE, OP.READ, caller).deciding, undefined);
});

Deno.test("decide() tells what will cover a file that is not there", () => {
  const entries = [
    placeEntry(FOLDER, 5),
    edgeEntry(5, nameHash("sub"), 6),
    leafEntry(5, nameHash("sub"), 1, true),
    leafEntry(6, nameHash("key"), 0, false),
  ];
  const set = view([rule(), rule()], entries);
  const at = (missing: string[]) =>
    decide(set, { above: [FOLDER], missing }, OP.READ, ANYBODY).judged.map(({ by, index }) =>
      `${by} ${index}`
    );
  deepEqual(at(["sub", "key"]), ["subtree 1", "place 0"]);
  deepEqual(at(["sub", "other"]), ["subtree 1"]);
  deepEqual(at(["sub"]), []);
  deepEqual(at(["elsewhere", "key"]), []);
});

Deno.test("decide() comes to what the kernel side's loop comes to, for every mixture of three rules", () => {
  const kinds = [rule(), rule({ flags: 0 }), rule({ ops: 1 << OP.WRITE }), rule({ scopes: WEB }), undefined];
  for (const file of kinds) {
    for (const inode of kinds) {
      for (const folder of kinds) {
        const chosen = [file, inode, folder];
        const entries = [fileEntry(SECRET, 0), inodeEntry(SECRET, 1), subtreeEntry(FOLDER, 2)];
        const set = view(
          chosen.map((one) => one ?? rule()),
          entries.filter((_, index) => chosen[index] !== undefined),
        );
        equal(decide(set, THERE, OP.READ, ANYBODY).deciding?.index, loop(chosen));
      }
    }
  }
});

Deno.test("judge() lets a rule without scopes apply to everybody", () => {
  deepEqual(judge(rule(), OP.READ, 0n), { says: "deny", unmet: [] });
});

Deno.test("decide() takes an inode of any generation for an entry without one", () => {
  const set = view([rule()], [inodeEntry(SECRET, 0)]);
  equal(set.entries(KIND.FILE, SECRET.ino, identityTail(SECRET)).length, 0);
  equal(decide(set, THERE, OP.READ, ANYBODY).deciding?.by, "inode");
});

/** `judge()` and `stronger()` of bpf/decide.h, for callers that are members of nothing. */
function loop(rules: readonly (KernelRule | undefined)[]): number | undefined {
  let verdict: number | undefined;
  for (const [index, one] of rules.entries()) {
    if (one === undefined || (one.ops & 1 << OP.READ) === 0 || one.scopes !== 0n) continue;
    if (one.flags & AEGIS.RULE_ENFORCE) return index;
    verdict ??= index;
  }
  return verdict;
}

const CALLERS = [
  cgroupEntry(WEB_CGROUP, WEB),
  cgroupEntry(700n, 1n),
  executableEntry(SSHD, TRUSTED),
  uidEntry(33, TRUSTED),
  cgroupPlaceEntry(ROOT_CGROUP, 2),
  cgroupLeafEntry(2, nameHash("later"), WEB),
];

function inCgroup(...below: bigint[]): Caller {
  return { uid: 0, cgroups: [ROOT_CGROUP, ...below] };
}

function rule(changes: Partial<KernelRule> = {}): KernelRule {
  return {
    scopes: 0n,
    exceptScopes: 0n,
    number: 1,
    ops: 1 << OP.READ,
    flags: AEGIS.RULE_ENFORCE,
    signal: 0,
    ...changes,
  };
}

function view(rules: readonly KernelRule[], entries: readonly SetEntry[]): SetView {
  return {
    live: AEGIS.LIVE_CGROUPS | AEGIS.LIVE_EXES | AEGIS.LIVE_UIDS | AEGIS.LIVE_SUBTREES,
    cgroupDepth: 32,
    entries: (kind, a, b) => entries.filter((entry) => entry.kind === kind && entry.a === a && entry.b === b),
    rule: (index) => rules[index],
  };
}
