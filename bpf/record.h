/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting and reporting a decision. Counts are exact and live in maps; the ring carries the details. */
#ifndef AEGIS_RECORD_H
#define AEGIS_RECORD_H

#define NAME_ROOM 256 /* NAME_MAX and its NUL */
#define PATH_NAMES 40 /* names that a record keeps of one path */

/* Where a walk from a file to the root stands. */
struct place {
	struct dentry *dentry;
	struct mount *mount;
	struct dentry *root; /* of the mount */
};

/* struct qstr as it is on little-endian machines */
struct name {
	__u32 hash;
	__u32 len;
	const unsigned char *text;
};

/*
 * Appends one NUL-ended name to the record; false where it does not fit. The length lives in the record and is
 * read back for every name: so the verifier sees the same unknown number each time round a loop, and prunes.
 */
static __always_inline bool write_name(struct aegis_record *record, const void *text, __u32 len)
{
	__u32 at = *(volatile __u32 *)&record->text_len;

	len &= NAME_ROOM - 1;
	if (at > AEGIS_TEXT)
		return false;
	bpf_probe_read_kernel(record->text + at, len, text);
	at += len;
	if (at > AEGIS_TEXT + NAME_ROOM - 1)
		return false;
	record->text[at] = 0;
	record->text_len = at + 1;
	return true;
}

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

/*
 * The two writers below flag a text that was cut in the record, and return nothing of interest: a result would
 * double the states that the verifier follows from there on.
 *
 * Writes the names from the file up to the caller's root, last name first; from outside that root, up to the root
 * of the mount namespace. d_path() says the same, but 5.10 lets only hooks that may sleep call it.
 */
static __noinline int write_path(struct aegis_record *record, struct dentry *dentry, struct vfsmount *mnt,
				 struct fs_struct *fs)
{
	struct dentry *top = BPF_CORE_READ(fs, root.dentry);
	struct mount *top_mount = mount_of(BPF_CORE_READ(fs, root.mnt));
	struct place at = { dentry, NULL, NULL }, here;
	int i;

	if (mnt) {
		at.mount = mount_of(mnt);
		at.root = BPF_CORE_READ(mnt, mnt_root);
	}
	/* every value comes from a helper, about which the verifier knows nothing: again, so that it prunes */
	bpf_probe_read_kernel(&here, sizeof(here), &at);
	for (i = 0; i < PATH_NAMES; i++) {
		if (here.dentry == top && here.mount == top_mount)
			return 0;
		if (here.dentry == here.root) {
			struct mount *mount = here.mount, *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount)
				return 0;
			bpf_core_read(&here.dentry, sizeof(here.dentry), &mount->mnt_mountpoint);
			bpf_core_read(&here.mount, sizeof(here.mount), &mount->mnt_parent);
			bpf_core_read(&here.root, sizeof(here.root), &above->mnt.mnt_root);
		} else {
			struct dentry *child = here.dentry;
			struct name name;

			bpf_core_read(&name, sizeof(name), &child->d_name);
			bpf_core_read(&here.dentry, sizeof(here.dentry), &child->d_parent);
			if (here.dentry == child && !here.mount)
				return 0; /* the root of a file system; of no mount that is known */
			if (!write_name(record, name.text, name.len))
				break;
			if (here.dentry == child)
				return 0; /* no directory holds it: a memfd, a pipe */
		}
	}
	record->flags |= AEGIS_TEXT_TRUNCATED;
	return 0;
}

static __always_inline struct kernfs_node *parent_of(struct kernfs_node *kn)
{
	if (bpf_core_field_exists(struct kernfs_node, parent))
		return BPF_CORE_READ(kn, parent);
	return BPF_CORE_READ((struct kernfs_node___rcu *)kn, __parent);
}

/* Writes the names of a cgroup's path, last first; the root has none. */
static __noinline int write_cgroup(struct aegis_record *record, struct cgroup *cgrp)
{
	struct kernfs_node *kn = BPF_CORE_READ(cgrp, kn);
	int i;

	for (i = 0; i < PATH_NAMES; i++) {
		__u32 at = *(volatile __u32 *)&record->text_len;
		struct kernfs_node *parent = parent_of(kn);
		long len;

		if (!parent)
			return 0;
		if (at > AEGIS_TEXT)
			break;
		len = bpf_probe_read_kernel_str(record->text + at, NAME_ROOM, BPF_CORE_READ(kn, name));
		if (len <= 0)
			break;
		record->text_len = at + len;
		kn = parent;
	}
	record->flags |= AEGIS_TEXT_TRUNCATED;
	return 0;
}

/* What is to be counted and reported. */
struct decision {
	struct aegis_flow_key flow;
	struct dentry *dentry; /* the file's place; NULL: not known */
	struct vfsmount *mnt;  /* likewise */
	__u64 generation;
	__u64 total;
	__u64 now;
	__s32 ret;
	__u16 flags;
	__u8 backend;
	__u8 type;
};

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

static __always_inline void fill_head(struct aegis_record *record, struct decision *decision,
				      struct task_struct *task, struct file *exe)
{
	__u64 ids = bpf_get_current_pid_tgid(), owner = bpf_get_current_uid_gid();

	record->version = AEGIS_SCHEMA;
	record->type = decision->type;
	record->op = decision->flow.op;
	record->action = decision->flow.action;
	record->backend = decision->backend;
	record->flags = decision->flags;
	record->time_ns = decision->now;
	record->total = decision->total;
	record->generation = decision->generation;
	record->file = decision->flow.file;
	record->cgroup = decision->flow.cgroup;
	record->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	record->rule = decision->flow.rule;
	record->pid = ids >> 32;
	record->tid = ids;
	record->ppid = BPF_CORE_READ(task, real_parent, tgid);
	record->uid = owner;
	record->gid = owner >> 32;
	record->ret = decision->ret;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	record->exe.ino = 0;
	record->exe.dev = 0;
	record->exe.gen = 0;
	if (exe) {
		struct inode *inode = BPF_CORE_READ(exe, f_inode);

		record->exe.ino = BPF_CORE_READ(inode, i_ino);
		record->exe.dev = BPF_CORE_READ(inode, i_sb, s_dev);
		record->exe.gen = BPF_CORE_READ(inode, i_generation);
	}
}

/* Writes the record's three strings. */
static __always_inline void fill_text(struct aegis_record *record, struct decision *decision, struct task_struct *task,
				      struct file *exe)
{
	struct fs_struct *fs = BPF_CORE_READ(task, fs);

	record->text_len = 0;
	if (decision->dentry)
		write_path(record, decision->dentry, decision->mnt, fs);
	record->path_len = record->text_len;
	if (exe)
		write_path(record, BPF_CORE_READ(exe, f_path.dentry), BPF_CORE_READ(exe, f_path.mnt), fs);
	record->exe_len = record->text_len - record->path_len;
	write_cgroup(record, task_cgroup(task));
	record->cgroup_len = record->text_len - record->path_len - record->exe_len;
}

/* Sends a record; false where the ring is full. */
static __noinline bool send_record(struct decision *decision)
{
	struct task_struct *task = caller_task();
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);
	struct aegis_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record)
		return false;
	fill_head(record, decision, task, exe);
	fill_text(record, decision, task, exe);
	bpf_ringbuf_submit(record, 0);
	return true;
}

static __always_inline void count_rule(struct aegis_flow_key *flow)
{
	struct aegis_rule_key key = { .rule = flow->rule, .op = flow->op, .action = flow->action };
	__u64 zero = 0, *n = bpf_map_lookup_elem(&rule_counts, &key);

	if (!n) {
		bpf_map_update_elem(&rule_counts, &key, &zero, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&rule_counts, &key);
	}
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		count(AEGIS_UNTRACKED_RULE);
}

/*
 * Counts the decision in its flow; returns whether it deserves a record of its own. A record carries the flow's
 * total, so a race that sends two, or a full ring that loses one, costs no count: the next one tells.
 */
static __always_inline bool count_flow(struct decision *decision)
{
	struct aegis_flow *flow = bpf_map_lookup_elem(&flows, &decision->flow);

	if (!flow) {
		struct aegis_flow fresh = {};

		bpf_map_update_elem(&flows, &decision->flow, &fresh, BPF_NOEXIST);
		flow = bpf_map_lookup_elem(&flows, &decision->flow);
		if (!flow) {
			count(AEGIS_UNTRACKED_FLOW);
			decision->total = 0;
			return true;
		}
	}
	__sync_fetch_and_add(&flow->total, 1);
	decision->total = flow->total;
	if (flow->recorded_ns && decision->now - flow->recorded_ns < control.coalesce_ns)
		return false;
	flow->recorded_ns = decision->now;
	flow->pid = bpf_get_current_pid_tgid() >> 32;
	flow->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(flow->comm, sizeof(flow->comm));
	return true;
}

/*
 * Copies the decision onto itself through a helper, so that the verifier forgets what it knows of the values: else it
 * follows what comes next once for each combination of them.
 */
static __always_inline void forget(struct decision *decision)
{
	bpf_probe_read_kernel(decision, sizeof(*decision), decision);
}

static __always_inline void count_decision(struct decision *decision, __u32 signal)
{
	if (signal)
		bpf_send_signal(signal);
	count(decision->ret ? AEGIS_DENIED : AEGIS_AUDITED);
	count_rule(&decision->flow);
}

static __always_inline void describe_file(struct decision *decision, struct inode *inode)
{
	decision->flow.file.ino = BPF_CORE_READ(inode, i_ino);
	decision->flow.file.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	decision->flow.file.gen = BPF_CORE_READ(inode, i_generation);
	decision->flow.cgroup = BPF_CORE_READ(task_cgroup(caller_task()), kn, id);
	decision->now = bpf_ktime_get_boot_ns();
}

#define HOW_BOUND 0x8000u /* not a decision: another file stands at the rule's place */

/* How an operation came to be judged, packed: it fits the five arguments of a function that is verified alone. */
static __always_inline __u64 how(__u32 ops, __u32 backend, __u32 flags, __u32 live)
{
	return ops | backend << 8 | flags << 16 | (__u64)live << 32;
}

/*
 * Counts, reports and signals what a verdict stands for; 1 where the operation is refused. Pointers travel as
 * numbers, and mnt may be 0.
 */
__u64 act(__u64 inode, __u64 dentry, __u64 mnt, __u64 verdict, __u64 how)
{
	__u32 ops = how & 0xff, backend = how >> 8 & 0xff, live = how >> 32, index = verdict;
	bool refuse = verdict_action(verdict) == AEGIS_DENY;
	struct decision decision = {};
	void *set_rules = rules_of(live);
	struct aegis_rule *rule = NULL;
	bool bound;

	if (backend == AEGIS_BACKEND_FENTRY || backend == AEGIS_BACKEND_TRACEPOINT)
		refuse = false;
	if (live & AEGIS_LIVE_EMERGENCY && bpf_ktime_get_boot_ns() < control.emergency_until_ns)
		refuse = false;
	if (set_rules)
		rule = bpf_map_lookup_elem(set_rules, &index);
	if (!rule)
		return refuse;
	if (rule->flags & AEGIS_RULE_CANARY) {
		count(AEGIS_CANARY_SEEN);
		return refuse;
	}
	decision.type = AEGIS_RECORD_TYPE_DECISION;
	decision.backend = backend;
	decision.flags = how >> 16 & ~HOW_BOUND;
	decision.flow.rule = rule->number;
	decision.flow.op = first_op(ops & rule->ops);
	decision.flow.action = refuse ? AEGIS_DENY : AEGIS_AUDIT;
	decision.ret = refuse ? -EPERM : 0;
	decision.generation = control.sets[live & AEGIS_LIVE_SET].generation;
	decision.dentry = (void *)dentry;
	decision.mnt = (void *)mnt;
	describe_file(&decision, (void *)inode);
	bound = how & HOW_BOUND << 16;
	if (bound)
		decision.type = AEGIS_RECORD_TYPE_BOUND;
	else
		count_decision(&decision, refuse ? rule->signal : 0);
	count(AEGIS_EMITTED);
	forget(&decision);
	if (decision.type == AEGIS_RECORD_TYPE_BOUND || count_flow(&decision))
		count(send_record(&decision) ? AEGIS_DELIVERED : AEGIS_DROPPED_RING_FULL);
	else
		count(AEGIS_COALESCED);
	return decision.ret != 0;
}

#endif
