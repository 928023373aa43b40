/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decision: is this operation, on this file, by this caller, named by a rule of the set in force?
 * One set of functions serves every attach type. Functions that are not static are verified once, on their own,
 * which keeps the programs that call them in loops small for the verifier; they take and return scalars only,
 * as 5.10 demands.
 */
#ifndef AEGIS_DECIDE_H
#define AEGIS_DECIDE_H

/* A verdict packs what happens with the deciding rule's index: action << 32 | rule. 0 is nothing. */
static __always_inline __u32 verdict_action(__u64 verdict)
{
	return verdict >> 32;
}

static __always_inline __u64 verdict_of(__u32 action, __u32 rule)
{
	return (__u64)action << 32 | rule;
}

static __always_inline __u32 filter_slot(__u64 ino, __u32 bits)
{
	return (ino * AEGIS_FILTER_FACTOR) >> (64 - bits);
}

/* One bit of rule.ops. */
#define OP_BIT(op) (1u << AEGIS_OP_##op)

/* The word in force: the one before, once a policy that nobody confirmed has run out of time. */
static __always_inline __u32 live_word(void)
{
	__u32 live = *(volatile __u32 *)&control.live;

	if (live & AEGIS_LIVE_CONFIRM && bpf_ktime_get_boot_ns() >= control.confirm_until_ns)
		/* an emergency stop is not part of either policy */
		live = (control.previous & ~AEGIS_LIVE_EMERGENCY) | (live & AEGIS_LIVE_EMERGENCY);
	return live;
}

/* A task whose members can be read directly, which is much cheaper; 5.11. */
#define HAS_TYPED_TASK bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)

/*
 * The task on whose behalf this runs: an io_uring worker of 5.10 is a kernel thread that borrowed its
 * submitter's mm, and sits in the root cgroup. Later workers are threads of their submitter.
 */
static __always_inline struct task_struct *caller_task(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (HAS_TYPED_TASK)
		return task;
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD) {
		struct task_struct *owner = NULL;

		if (bpf_core_field_exists(struct mm_struct, owner))
			owner = BPF_CORE_READ(task, mm, owner);
		if (owner)
			return owner;
	}
	return task;
}

/* Id of the caller's cgroup in the default hierarchy. */
static __always_inline __u64 caller_cgroup_id(void)
{
	if (HAS_TYPED_TASK)
		return bpf_get_current_cgroup_id();
	return BPF_CORE_READ(caller_task(), cgroups, dfl_cgrp, kn, id);
}

/* Id of the ancestor of cgrp at a level not below its own; 0 where there is none. */
static __always_inline __u64 ancestor_id(struct cgroup *cgrp, __u32 level)
{
	__u64 id = 0;

	/* where ancestors[] exists, so does the helper for all types of program that are used here */
	if (bpf_core_field_exists(struct cgroup, ancestors)) {
		id = bpf_get_current_ancestor_cgroup_id(level);
	} else {
		bpf_probe_read_kernel(&id, sizeof(id),
				      (void *)cgrp + bpf_core_field_offset(struct cgroup___ids, ancestor_ids) +
					      level * sizeof(id));
	}
	return id;
}

#define CGROUP_LEVELS 32 /* the deepest cgroup that a policy may name; the agent refuses deeper ones */

static __always_inline __u64 member_mask(void *set_entries, __u64 a, __u64 b, __u32 kind)
{
	struct aegis_key key = { .a = a, .b = b, .kind = kind };
	struct aegis_entry *entry = bpf_map_lookup_elem(set_entries, &key);

	return entry ? entry->mask : 0;
}

static __always_inline __u64 executable_mask(void *set_entries)
{
	struct file *exe = BPF_CORE_READ(caller_task(), mm, exe_file);
	struct inode *inode = BPF_CORE_READ(exe, f_inode);

	return member_mask(set_entries, BPF_CORE_READ(inode, i_ino), tail_at(inode), AEGIS_EXE);
}

/* From the root down, so that no depth of nesting hides a cgroup that the policy names. */
static __always_inline __u64 cgroup_mask(void *set_entries, __u32 depth)
{
	struct cgroup *cgrp = BPF_CORE_READ(caller_task(), cgroups, dfl_cgrp);
	__u32 level = BPF_CORE_READ(cgrp, level);
	__u64 mask = 0;
	int i;

	for (i = 0; i <= CGROUP_LEVELS; i++) {
		if (i > level || i > depth)
			break;
		mask |= member_mask(set_entries, ancestor_id(cgrp, i), 0, AEGIS_CGROUP);
	}
	return mask;
}

#define LIVE_CALLERS (AEGIS_LIVE_CGROUPS | AEGIS_LIVE_EXES | AEGIS_LIVE_UIDS)

/* Everything that the caller is a member of, as far as the set asks: cgroups (their subtrees), executable, uid. */
__u64 caller_mask(__u32 live)
{
	void *set_entries = entries_of(live);
	__u64 mask = 0;

	if (!set_entries)
		return 0;
	if (live & AEGIS_LIVE_CGROUPS)
		mask = cgroup_mask(set_entries, control.sets[live & AEGIS_LIVE_SET].cgroup_depth);
	if (live & AEGIS_LIVE_EXES)
		mask |= executable_mask(set_entries);
	if (live & AEGIS_LIVE_UIDS)
		mask |= member_mask(set_entries, (__u32)bpf_get_current_uid_gid(), 0, AEGIS_UID);
	return mask;
}

/* Whether a rule is about a caller of this mask; the canary's is about everybody. */
static __always_inline bool rule_applies(struct aegis_rule *rule, __u64 callers)
{
	__u64 missed = rule->scopes ? !(rule->scopes & callers) : 0;

	return rule->flags & AEGIS_RULE_CANARY || !(missed | ((rule->except_scopes | AEGIS_EXEMPT) & callers));
}

/* What the rules that name one file or directory say of ops: the first that refuses, else the first that reports. */
__u64 judge(__u64 a, __u64 b, __u32 kind, __u32 ops, __u32 live)
{
	struct aegis_key key = { .a = a, .b = b, .kind = kind };
	void *set_entries = entries_of(live), *set_rules = rules_of(live);
	__u64 verdict = 0, callers = 0;
	__u32 slot;

	if (!set_entries || !set_rules)
		return 0;
	if (live & LIVE_CALLERS) {
		if (!bpf_map_lookup_elem(set_entries, &key))
			return 0;
		callers = caller_mask(live);
	}
	for (slot = 0; slot < AEGIS_SLOTS; slot++) {
		struct aegis_entry *entry;
		struct aegis_rule *rule;
		__u32 index;

		key.slot = slot;
		entry = bpf_map_lookup_elem(set_entries, &key);
		if (!entry)
			break;
		index = entry->rule;
		rule = bpf_map_lookup_elem(set_rules, &index);
		if (!rule || !(rule->ops & ops) || !rule_applies(rule, callers))
			continue;
		if (rule->flags & AEGIS_RULE_ENFORCE)
			return verdict_of(AEGIS_DENY, index);
		if (!verdict)
			verdict = verdict_of(AEGIS_AUDIT, index);
	}
	return verdict;
}

/* Of two verdicts the one that does more. */
static __always_inline __u64 stronger(__u64 one, __u64 other)
{
	return verdict_action(other) > verdict_action(one) ? other : one;
}

static __always_inline __u64 judge_file(__u64 ino, __u64 tail, __u32 ops, __u32 live)
{
	__u64 verdict = judge(ino, tail, AEGIS_FILE, ops, live);

	if (verdict_action(verdict) == AEGIS_DENY)
		return verdict;
	return stronger(verdict, judge(ino, tail >> 32 << 32, AEGIS_INODE, ops, live));
}

/* The first operation among ops; clang 14 has no count of trailing zeros for BPF. */
static __always_inline __u8 first_op(__u32 ops)
{
	__u8 op = 0;

	if (!(ops & 0xf)) {
		ops >>= 4;
		op = 4;
	}
	if (!(ops & 3)) {
		ops >>= 2;
		op += 2;
	}
	return ops & 1 ? op : op + 1;
}

/* The operations that opening this file performs, as bits. */
static __always_inline __u32 open_ops(__u32 flags, __u32 mode)
{
	if (flags & FMODE_EXEC)
		return OP_BIT(EXEC);
	return (mode & FMODE_READ ? OP_BIT(READ) : 0) | (mode & FMODE_WRITE ? OP_BIT(WRITE) : 0);
}

#endif
