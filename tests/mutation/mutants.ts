/** Ways to break the decision in bpf/, each with the case of tests/vm that must notice. */

/** One replacement in a file of bpf/. */
export interface Edit {
  readonly file: string;
  /** Must stand in the file exactly once. */
  readonly find: string;
  readonly put: string;
}

/** One broken decision. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The case that must fail: its category and its name. */
  readonly caught: { readonly category: string; readonly name: string };
}

const edit = (file: string, find: string, put: string): Edit => ({ file, find, put });

/** All of them. Each compiles, loads and lets the agent start: what fails is the case, not the agent. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "generation ignored",
    edits: [edit("identity.h", "return (__u64)dev << 32 | gen;", "return (__u64)dev << 32;")],
    caught: { category: "inode reuse", name: "a new file: every operation goes through" },
  },
  {
    name: "subvolumes ignored",
    edits: [edit("identity.h", "if (!state.btrfs.root_before)", "if (state.btrfs.root_before)")],
    caught: { category: "btrfs", name: "two subvolumes with the same inode number, of one transaction" },
  },
  {
    name: "filter not set for what comes to stand at a path",
    edits: [
      edit("places.h", "state.file_filter[set][filter_slot(ino, AEGIS_FILE_FILTER_BITS)] = 1;", ";"),
    ],
    caught: { category: "exchange", name: "with another file: both are denied" },
  },
  {
    name: "places ignored",
    edits: [edit("places.h", "if (!inode || !may_be_place(", "if (inode || !may_be_place(")],
    caught: { category: "replace", name: "a new file renamed over it; the old one under another name" },
  },
  {
    name: "only the caller's own cgroup",
    edits: [
      edit(
        "decide.h",
        "mask |= member_mask(set_entries, ancestor_id(cgrp, i), 0, AEGIS_CGROUP);",
        "mask |= member_mask(set_entries, caller_cgroup_id(), 0, AEGIS_CGROUP);",
      ),
    ],
    caught: { category: "descendant cgroup", name: "a child" },
  },
  {
    name: "exemption ignored",
    edits: [
      edit("decide.h", "((rule->except_scopes | AEGIS_EXEMPT) & callers)", "(rule->except_scopes & callers)"),
    ],
    caught: { category: "exempt cgroup", name: "the one that is named" },
  },
  {
    name: "scopes ignored",
    edits: [edit("decide.h", "rule->scopes ? !(rule->scopes & callers) : 0;", "0;")],
    caught: { category: "scope", name: "by path" },
  },
  {
    name: "exceptions ignored",
    edits: [edit("decide.h", "(rule->except_scopes | AEGIS_EXEMPT) & callers", "AEGIS_EXEMPT & callers")],
    caught: { category: "executable exception", name: "the one that is named" },
  },
  {
    name: "the caller's group taken for the user",
    edits: [edit("decide.h", "(__u32)bpf_get_current_uid_gid()", "bpf_get_current_uid_gid() >> 32")],
    caught: { category: "uid", name: "the one that is named" },
  },
  {
    name: "operations ignored",
    edits: [edit("decide.h", "!(rule->ops & ops)", "!(rule->ops | ops)")],
    caught: { category: "single operation", name: "write: readers go through" },
  },
  {
    name: "a rule's mode ignored",
    edits: [edit("decide.h", "if (rule->flags & AEGIS_RULE_ENFORCE)", "if (rule->ops)")],
    caught: { category: "audit", name: "of a file that is replaced reports and lets it through" },
  },
  {
    name: "the first rule that applies has the last word",
    edits: [edit("decide.h", "if (!verdict)\n\t\t\tverdict = verdict_of(", "return verdict_of(")],
    caught: { category: "audit", name: "stated before enforcement of the same file: it is denied" },
  },
  {
    name: "only the first rule of a file looked at",
    edits: [
      edit("decide.h", "for (slot = 0; slot < AEGIS_SLOTS; slot++)", "for (slot = 0; slot < 1; slot++)"),
    ],
    caught: { category: "several rules", name: "sixteen, of which the last decides" },
  },
  {
    name: "the filter of a set that is not in force",
    edits: [
      edit(
        "aegis.bpf.c",
        "state.file_filter[word & AEGIS_LIVE_SET]",
        "state.file_filter[0]",
      ),
    ],
    caught: { category: "direct", name: "for reading" },
  },
  {
    name: "subtrees cut short",
    edits: [edit("subtree.h", "#define WALK_LEVELS 128", "#define WALK_LEVELS 32")],
    caught: { category: "subtree", name: "sixty directories deep" },
  },
  {
    name: "rules of a subtree do not go with what is moved out",
    edits: [edit("subtree.h", "copying(mode, live, AEGIS_DIR));", "copying(mode, live ^ 1, AEGIS_DIR));")],
    caught: { category: "subtree moved", name: "a file moved out" },
  },
];
