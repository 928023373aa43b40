/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wire format between the kernel side and the agent: every layout and number that both must agree on.
 * src/kernel/layout.ts is generated from the BTF of the object that includes this file (scripts/layout), and
 * a test fails when the two differ. A change to a layout here raises AEGIS_SCHEMA.
 */
#ifndef AEGIS_H
#define AEGIS_H

/* Version of every layout in this file. Pins of another schema are migrated or refused, never adopted. */
#define AEGIS_SCHEMA 3

/* The operations of a rule, as bits of rule.ops and as numbers in records. */
enum aegis_op {
	AEGIS_OP_READ,
	AEGIS_OP_WRITE,
	AEGIS_OP_EXEC,
	AEGIS_OP_DELETE,
	AEGIS_OP_RENAME,
	AEGIS_OP_LINK,
	AEGIS_OP_ATTR,
	AEGIS_OP_TRUNCATE,
	AEGIS_OPS,
};

/* What happened to an operation that a rule names. */
enum aegis_action {
	AEGIS_ALLOW,
	AEGIS_AUDIT,
	AEGIS_DENY,
};

/* How the deciding program is attached; contract section 2. */
enum aegis_backend {
	AEGIS_BACKEND_NONE,
	AEGIS_BACKEND_LSM,
	AEGIS_BACKEND_FMOD_RET,
	AEGIS_BACKEND_FENTRY,
	AEGIS_BACKEND_TRACEPOINT,
};

/*
 * What a file is to the kernel. dev is super_block.s_dev: major << 20 | minor, not what stat shows. gen is
 * inode.i_generation, on btrfs with the subvolume mixed in.
 */
struct aegis_identity {
	__u64 ino;
	__u32 dev;
	__u32 gen;
};

/*
 * A policy set is one hash map of tagged entries and one array of rules. Several rules may name one thing:
 * they stand in slot 0, 1, 2, ... without a hole, so that adding one is a single insert that can race.
 *
 * A place is a name in a directory, by what the directory is or will be: the paths of a policy are a tree of
 * numbered places, and a file or directory that comes to stand at one is added to the set by the kernel side.
 */
enum aegis_kind {
	AEGIS_FILE = 1, /* a = ino, b = dev << 32 | gen: `rule` covers this file */
	AEGIS_INODE,    /* a = ino, b = dev << 32: the same, whatever its generation */
	AEGIS_DIR,      /* a, b = identity: `rule` covers all below this directory */
	AEGIS_PLACE,    /* a, b = identity: this directory stands at the place `node` */
	AEGIS_EDGE,     /* a = node, b = hash of a name: the place `node` that this name in it is */
	AEGIS_LEAF,     /* a, b likewise: what stands at this name is covered by `rule`; mask: AEGIS_LEAF_* */
	AEGIS_EXE_LEAF, /* a, b likewise: processes running what stands at this name are members of `mask` */
	AEGIS_CGROUP,   /* a = cgroup id: `mask` is what this cgroup's subtree is a member of */
	AEGIS_CGROUP_PLACE, /* a = cgroup id: this cgroup stands at the place `node` */
	AEGIS_CGROUP_LEAF,  /* a = node, b = hash of a name: the cgroup of this name is a member of `mask` */
	AEGIS_EXE,      /* a, b = identity: `mask` is what a process running this file is a member of */
	AEGIS_UID,      /* a = uid: `mask` likewise */
	AEGIS_COPY_UP,  /* a = task: it copies up the inode of overlayfs at the address `mask` */
};

#define AEGIS_LEAF_SUBTREE 1u /* the rule covers what lies below the directory that stands there */

struct aegis_key {
	__u64 a;
	__u64 b;
	__u32 kind;
	__u32 slot;
};

#define AEGIS_SLOTS 16            /* rules that may name one thing */
#define AEGIS_PLACE_SLOTS 4       /* places that one directory may stand at: bind mounts */
#define AEGIS_NO_RULE 0xffffffffu /* an entry that only names a place */

struct aegis_entry {
	__u32 rule; /* index into the set's rules */
	__u32 node; /* place number; 0 is none */
	__u64 mask;
};

/* Bit of a caller mask that is exempt from every rule: allow.cgroups. */
#define AEGIS_EXEMPT 1ull

/* rule.flags */
#define AEGIS_RULE_ENFORCE 1u /* refuse; without it only report */
#define AEGIS_RULE_CANARY 2u  /* nobody is exempt, nothing is counted or reported */

struct aegis_rule {
	__u64 scopes;        /* caller bits of which one must be set; 0 is everybody */
	__u64 except_scopes; /* caller bits that the rule does not touch; cgroups, executables and uids alike */
	__u32 number;        /* the rule's lasting number, key of its counters */
	__u16 ops;           /* bits of enum aegis_op */
	__u8 flags;
	__u8 signal; /* sent besides the refusal; 0 is none */
};

/*
 * control.live is all that an open needs to know about the policy, in one word that is stored at once.
 * AEGIS_LIVE_SET is the index of the set in force.
 */
#define AEGIS_LIVE_SET 1u
#define AEGIS_LIVE_SUBTREES 2u  /* some rule covers a subtree: walk up from the file */
#define AEGIS_LIVE_CONFIRM 4u   /* control.previous comes back at confirm_until_ns */
#define AEGIS_LIVE_EMERGENCY 8u /* nothing is refused until emergency_until_ns */
/* some rule asks who the caller is: by cgroup, by executable, by uid */
#define AEGIS_LIVE_CGROUPS 16u
#define AEGIS_LIVE_EXES 32u
#define AEGIS_LIVE_UIDS 64u

struct aegis_set {
	__u64 generation; /* counts applied sets; 0 is an empty slot */
	__u64 serial;
	__u8 sha256[32];
	char name[64];
	__u32 rules;
	__u32 entries;
	__u32 cgroup_depth; /* deepest cgroup level that an entry names */
	__u32 enforce;      /* the policy's mode */
	__u64 applied_ns;   /* wall clock */
};

struct aegis_control {
	__u32 live;
	__u32 moved; /* not 0: a directory came to stand at a place with what it holds; the agent has yet to look */
	__u32 previous;
	__u32 epoch; /* bit 0: which of the two maps of flows decisions are counted in; see flows in maps.h */
	__u64 confirm_until_ns;   /* CLOCK_BOOTTIME */
	__u64 emergency_until_ns; /* CLOCK_BOOTTIME */
	__u64 coalesce_ns;        /* at most one record per flow in this time */
	__u64 heartbeat_ns;       /* CLOCK_BOOTTIME, stored by the agent */
	__u32 agent_pid;
	__u32 backend;
	struct aegis_set sets[2];
};

/* What the kernel takes a file for: the answer of tell_identity. */
struct aegis_told {
	struct aegis_identity id;
	__u32 mode;
	__u32 nlink;
	__u64 seen; /* grows with every answer */
};

/* Where btrfs keeps the number of an inode's subvolume, in bytes. It is a module: the agent asks once it is there. */
struct aegis_btrfs {
	__u32 root_before; /* from the inode back to the pointer to its subvolume's root; 0 is unknown */
	__u32 root_id;     /* from the root on to its number */
};

/*
 * Filters turn nearly every open away with one load: a byte per hash of an inode number, non-zero where a set
 * may name such a file (directory). A whole byte, so that setting one needs no read and cannot lose another.
 */
#define AEGIS_FILE_FILTER_BITS 17
#define AEGIS_DIR_FILTER_BITS 14
#define AEGIS_PLACE_FILTER_BITS 12
#define AEGIS_FILTER_FACTOR 0x9e3779b97f4a7c15ull

/* All global state, mapped by the agent as one piece of memory. A schema adds at the end: what older pins hold is read. */
struct aegis_state {
	struct aegis_control control;
	struct aegis_told told;
	__u8 file_filter[2][1 << AEGIS_FILE_FILTER_BITS];
	__u8 dir_filter[2][1 << AEGIS_DIR_FILTER_BITS];
	__u8 place_filter[2][1 << AEGIS_PLACE_FILTER_BITS];
	__u64 told_magic; /* of the file system of what was told */
	struct aegis_btrfs btrfs;
};

/* A flow is a stream of equal decisions: its count is exact, its records are coalesced. */
struct aegis_flow_key {
	struct aegis_identity file;
	__u64 cgroup;
	__u32 rule; /* rule.number */
	__u8 op;
	__u8 action;
	__u16 epoch; /* in reported: bit 0 of the epoch; else 0 */
};

struct aegis_flow {
	__u64 total;
	__u64 recorded_ns; /* CLOCK_BOOTTIME of the last record */
	__u32 pid;         /* who caused the last record */
	__u32 uid;
	char comm[16];
};

/* What the agent took out of a map of flows; kept by flow, and for what there is no more room for by rule alone. */
struct aegis_past {
	__u64 total;
	__u64 epoch; /* the last one whose flow is part of it */
};

struct aegis_rule_key {
	__u32 rule; /* rule.number */
	__u8 op;
	__u8 action;
	__u16 unused;
};

/* Indices of the per-CPU counters. emitted = delivered + coalesced + dropped_*, at all times. */
enum aegis_counter {
	AEGIS_DENIED,
	AEGIS_AUDITED,
	AEGIS_EMITTED,
	AEGIS_DELIVERED,
	AEGIS_COALESCED,
	AEGIS_DROPPED_RING_FULL,
	AEGIS_UNTRACKED_RULE,  /* decisions that no rule counter could hold */
	AEGIS_UNTRACKED_FLOW,  /* decisions that no flow could hold */
	AEGIS_LEARNT,          /* identities added by the kernel itself */
	AEGIS_LEARN_FAILED,    /* identities that could not be added */
	AEGIS_CANARY_SEEN,
	AEGIS_COUNTERS,
};

enum aegis_record_type {
	AEGIS_RECORD_TYPE_DECISION = 1,
	AEGIS_RECORD_TYPE_BOUND, /* another file came to stand at the place of `rule` */
};

/* record.flags */
#define AEGIS_TEXT_TRUNCATED 1u
#define AEGIS_PATH_ARGUMENT 2u /* the path is the system call's argument */
#define AEGIS_PATH_PARTIAL 4u  /* the path begins at the file system's root, not at the process's */

/* Bytes of text that a record keeps. What does not fit is cut at the root's end and flagged. */
#define AEGIS_TEXT 1024

/*
 * A record is this head and, in text, three strings: the file's path, the executable's path, the cgroup's
 * path; each is path_len, exe_len, cgroup_len bytes long and holds its names from the last to the first,
 * each ended by a NUL (a path argument: as it was passed).
 */
struct aegis_record {
	__u16 version; /* AEGIS_SCHEMA */
	__u8 type;
	__u8 op;
	__u8 action;
	__u8 backend;
	__u16 flags;
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 total;   /* the flow's count, this decision included */
	__u64 generation;
	struct aegis_identity file;
	struct aegis_identity exe;
	__u64 cgroup;
	__u64 start_ns; /* CLOCK_BOOTTIME at which the process started */
	__u32 rule;     /* rule.number */
	__u32 pid;
	__u32 tid;
	__u32 ppid;
	__u32 uid;
	__u32 gid;
	__s32 ret;
	__u16 path_len;
	__u16 exe_len;
	__u16 cgroup_len;
	__u16 epoch; /* bit 0: which map counts the flow */
	__u32 text_len; /* the three together */
	char comm[16];
	char text[AEGIS_TEXT + 256]; /* room for one name more: the verifier knows no exact length */
};

#endif
