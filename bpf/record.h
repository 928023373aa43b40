/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting and reporting a decision. Counts are exact and live in maps; the ring carries the details. */
#ifndef AEGIS_RECORD_H
#define AEGIS_RECORD_H

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

/* What a record says of the caller, and where its text ends. */
static __always_inline void fill_caller(struct aegis_record *record, struct task_struct *task, struct file *exe)
{
	__u64 ids = bpf_get_current_pid_tgid(), owner = bpf_get_current_uid_gid();
	struct inode *inode = BPF_CORE_READ(exe, f_inode);

	record->pid = ids >> 32;
	record->tid = ids;
	record->uid = owner;
	record->gid = owner >> 32;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	if (HAS_TYPED_TASK) {
		struct task_struct *typed = bpf_get_current_task_btf();

		record->start_ns = typed->group_leader->start_boottime;
		record->ppid = typed->real_parent->tgid;
	} else {
		record->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
		record->ppid = BPF_CORE_READ(task, real_parent, tgid);
	}
	record->exe.ino = BPF_CORE_READ(inode, i_ino);
	record->exe.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	record->exe.gen = BPF_CORE_READ(inode, i_generation);
}

/* Writes the record's three strings. */
static __always_inline void fill_text(struct aegis_record *record, struct dentry *dentry, struct vfsmount *mnt,
				      struct task_struct *task, struct file *exe)
{
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct path root = {}, image = {};
	struct place top = {};

	bpf_core_read(&root, sizeof(root), &fs->root);
	top.dentry = root.dentry;
	top.mount = mount_of(root.mnt);
	record->text_len = 0;
	if (dentry)
		write_path(record, dentry, mnt, &top);
	record->path_len = record->text_len;
	if (exe) {
		bpf_core_read(&image, sizeof(image), &exe->f_path);
		write_path(record, image.dentry, image.mnt, &top);
	}
	record->exe_len = record->text_len - record->path_len;
	write_cgroup(record, task_cgroup(task));
	record->cgroup_len = record->text_len - record->path_len - record->exe_len;
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
 * Counts a decision in its flow; returns whether it deserves a record of its own. A record carries the flow's
 * total, so a race that sends two, or a full ring that loses one, costs no count: the next one tells.
 */
static __always_inline bool count_flow(struct aegis_flow_key *key)
{
	struct aegis_flow *flow = bpf_map_lookup_elem(&flows, key);
	__u64 now = bpf_ktime_get_boot_ns();

	if (!flow) {
		struct aegis_flow fresh = {};

		bpf_map_update_elem(&flows, key, &fresh, BPF_NOEXIST);
		flow = bpf_map_lookup_elem(&flows, key);
		if (!flow) {
			count(AEGIS_UNTRACKED_FLOW);
			count_rule(key);
			return true;
		}
	}
	__sync_fetch_and_add(&flow->total, 1);
	if (flow->recorded_ns && now - flow->recorded_ns < control.coalesce_ns)
		return false;
	flow->recorded_ns = now;
	flow->pid = bpf_get_current_pid_tgid() >> 32;
	flow->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(flow->comm, sizeof(flow->comm));
	return true;
}

/* How an operation came to be judged, packed: it fits the five arguments of a function that is verified alone. */
static __always_inline __u64 how(__u32 ops, __u32 backend, __u32 flags, __u32 live)
{
	return ops | backend << 8 | flags << 16 | (__u64)live << 32;
}

#define HOW_BOUND 0x8000u /* not a decision: another file stands at the rule's place */

/* The rule of a verdict in the set of a live word. */
static __always_inline struct aegis_rule *rule_of(__u64 verdict, __u32 live)
{
	void *set_rules = rules_of(live);
	__u32 index = verdict;

	return set_rules ? bpf_map_lookup_elem(set_rules, &index) : NULL;
}

/* Whether a verdict refuses: not where nothing can be refused, nor during an emergency stop. */
static __always_inline bool refuses(__u64 verdict, __u32 backend, __u32 live)
{
	if (verdict_action(verdict) != AEGIS_DENY || backend == AEGIS_BACKEND_FENTRY ||
	    backend == AEGIS_BACKEND_TRACEPOINT)
		return false;
	return !(live & AEGIS_LIVE_EMERGENCY) || bpf_ktime_get_boot_ns() >= control.emergency_until_ns;
}

static __always_inline void fill_flow(struct aegis_flow_key *flow, __u64 ino, __u64 tail, struct aegis_rule *rule,
				      __u32 ops, bool refuse)
{
	flow->file.ino = ino;
	flow->file.dev = tail >> 32;
	flow->file.gen = tail;
	flow->cgroup = caller_cgroup_id();
	flow->rule = rule->number;
	flow->op = first_op(ops & rule->ops);
	flow->action = refuse ? AEGIS_DENY : AEGIS_AUDIT;
}

/* What act() answers. */
#define ACT_REFUSE 1u /* the operation is refused */
#define ACT_SEND 2u   /* the decision gets a record: send() follows */

/* Counts and signals what a verdict on the file ino:tail stands for. */
__u64 act(__u64 ino, __u64 tail, __u64 verdict, __u64 how)
{
	__u32 ops = how & 0xff, backend = how >> 8 & 0xff, live = how >> 32;
	struct aegis_rule *rule = rule_of(verdict, live);
	bool refuse = refuses(verdict, backend, live);
	__u64 *counted = counters_here();
	struct aegis_flow_key flow = {};

	if (!rule || !counted)
		return refuse;
	if (rule->flags & AEGIS_RULE_CANARY) {
		__sync_fetch_and_add(&counted[AEGIS_CANARY_SEEN], 1);
		return refuse;
	}
	fill_flow(&flow, ino, tail, rule, ops, refuse);
	if (refuse && rule->signal)
		bpf_send_signal(rule->signal);
	if (refuse)
		__sync_fetch_and_add(&counted[AEGIS_DENIED], 1);
	else
		__sync_fetch_and_add(&counted[AEGIS_AUDITED], 1);
	__sync_fetch_and_add(&counted[AEGIS_EMITTED], 1);
	if (count_flow(&flow))
		return refuse | ACT_SEND;
	__sync_fetch_and_add(&counted[AEGIS_COALESCED], 1);
	return refuse;
}

/*
 * The agent looks at the ring many times a second, so a decision does not pay for waking it, and a flood cannot keep
 * it awake. It is woken when there is something to follow, and when the ring fills.
 */
static __always_inline __u64 wakeup(__u8 type)
{
	if (type == AEGIS_RECORD_TYPE_BOUND || bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > RING_BYTES / 4)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* Fills in what a verdict on the file ino:tail says. */
static __always_inline void fill_verdict(struct aegis_record *record, __u64 ino, __u64 tail, struct aegis_rule *rule,
					 __u64 verdict, __u64 how)
{
	__u32 ops = how & 0xff, backend = how >> 8 & 0xff, live = how >> 32;
	bool refuse = refuses(verdict, backend, live);
	struct aegis_flow_key key = {};
	struct aegis_flow *flow;

	fill_flow(&key, ino, tail, rule, ops, refuse);
	flow = bpf_map_lookup_elem(&flows, &key);
	record->total = flow ? flow->total : 0;
	record->version = AEGIS_SCHEMA;
	record->type = how & HOW_BOUND << 16 ? AEGIS_RECORD_TYPE_BOUND : AEGIS_RECORD_TYPE_DECISION;
	record->op = key.op;
	record->action = key.action;
	record->backend = backend;
	record->flags = how >> 16 & 0x7fff;
	record->time_ns = bpf_ktime_get_boot_ns();
	record->generation = control.sets[live & AEGIS_LIVE_SET].generation;
	record->file = key.file;
	record->cgroup = key.cgroup;
	record->rule = key.rule;
	record->ret = refuse ? -EPERM : 0;
	record->text_len = 0;
}

static __always_inline void submit_record(struct aegis_record *record)
{
	bpf_ringbuf_submit(record, wakeup(record->type));
	count(AEGIS_DELIVERED);
}

/* Sends a record; pointers travel as numbers, and mnt may be 0. */
__u64 send(__u64 inode_address, __u64 dentry, __u64 mnt, __u64 verdict, __u64 how)
{
	struct inode *inode = (void *)inode_address;
	__u64 tail = identity_tail(BPF_CORE_READ(inode, i_sb, s_dev), BPF_CORE_READ(inode, i_generation));
	struct aegis_rule *rule = rule_of(verdict, how >> 32);
	struct task_struct *task = caller_task();
	struct aegis_record *record;
	struct file *exe;

	if (!rule)
		return 0;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		count(AEGIS_DROPPED_RING_FULL);
		return 0;
	}
	fill_verdict(record, BPF_CORE_READ(inode, i_ino), tail, rule, verdict, how);
	exe = BPF_CORE_READ(task, mm, exe_file);
	fill_caller(record, task, exe);
	fill_text(record, (void *)dentry, (void *)mnt, task, exe);
	submit_record(record);
	return 0;
}

/* send() for the open path, where pointers are typed; only where HAS_TYPED_TASK. */
static __noinline int send_typed(struct file *file, __u64 verdict, __u64 how)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 ids = bpf_get_current_pid_tgid(), owner = bpf_get_current_uid_gid();
	struct inode *inode = file->f_inode;
	struct aegis_rule *rule = rule_of(verdict, how >> 32);
	struct aegis_record *record;
	struct mm_struct *mm;

	if (!rule)
		return 0;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		count(AEGIS_DROPPED_RING_FULL);
		return 0;
	}
	fill_verdict(record, inode->i_ino, identity_tail(inode->i_sb->s_dev, inode->i_generation), rule, verdict, how);
	record->pid = ids >> 32;
	record->tid = ids;
	record->uid = owner;
	record->gid = owner >> 32;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	record->start_ns = task->group_leader->start_boottime;
	record->ppid = task->real_parent->tgid;
	record->exe.ino = 0;
	record->exe.dev = 0;
	record->exe.gen = 0;
	write_path_typed(record, file->f_path.dentry, file->f_path.mnt, task->fs);
	record->path_len = record->text_len;
	mm = task->mm;
	if (mm) {
		struct file *exe = mm->exe_file;

		if (exe) {
			struct inode *image = exe->f_inode;

			record->exe.ino = image->i_ino;
			record->exe.dev = image->i_sb->s_dev;
			record->exe.gen = image->i_generation;
			write_path_typed(record, exe->f_path.dentry, exe->f_path.mnt, task->fs);
		}
	}
	record->exe_len = record->text_len - record->path_len;
	write_cgroup(record, (void *)address_of(task->cgroups->dfl_cgrp));
	record->cgroup_len = record->text_len - record->path_len - record->exe_len;
	submit_record(record);
	return 0;
}

#endif
