/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting and reporting a decision. Counts are exact and live in maps; the ring carries the details. */
#ifndef AEGIS_RECORD_H
#define AEGIS_RECORD_H

static __always_inline void note_identity(struct aegis_identity *id, __u64 ino, __u64 tail)
{
	id->ino = ino;
	id->dev = tail >> 32;
	id->gen = tail;
}

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

/* What a record says of the caller; exe may be NULL. */
static __always_inline void fill_caller(struct aegis_record *record, struct task_struct *task, struct file *exe)
{
	__u64 ids = bpf_get_current_pid_tgid(), owner = bpf_get_current_uid_gid();
	struct inode *inode = BPF_CORE_READ(exe, f_inode);

	record->pid = ids >> 32;
	record->tid = ids;
	record->uid = owner;
	record->gid = owner >> 32;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	record->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	record->ppid = BPF_CORE_READ(task, real_parent, tgid);
	note_identity(&record->exe, BPF_CORE_READ(inode, i_ino), tail_at(inode));
}

/* A command's name, through a typed pointer: the helper costs as much as ten of these. */
static __always_inline void copy_comm(char *to, struct task_struct *task)
{
	__u64 *from = (void *)task->comm;

	((__u64 *)to)[0] = from[0];
	((__u64 *)to)[1] = from[1];
}

/* fill_caller() through typed pointers; exe may be NULL. */
static __always_inline void fill_caller_typed(struct aegis_record *record, struct task_struct *task, struct file *exe)
{
	record->pid = task->tgid;
	record->tid = task->pid;
	record->uid = task->cred->uid.val;
	record->gid = task->cred->gid.val;
	copy_comm(record->comm, task);
	record->start_ns = task->group_leader->start_boottime;
	record->ppid = task->real_parent->tgid;
	if (exe)
		note_identity(&record->exe, exe->f_inode->i_ino, tail_of(exe->f_inode));
	else
		note_identity(&record->exe, 0, 0);
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

/* What act() answers: these, and from bit ACT_TOTAL on the flow's count. */
#define ACT_REFUSE 1u /* the operation is refused */
#define ACT_SEND 2u   /* the decision gets a record: send() follows */
#define ACT_ODD 4u    /* the flow is counted in an odd epoch */
#define ACT_TOTAL 3

/* Whose decision a flow's next record is about. */
static __always_inline void note_caller(struct aegis_flow *flow, __u64 now)
{
	flow->recorded_ns = now;
	if (HAS_TYPED_TASK) {
		struct task_struct *task = bpf_get_current_task_btf();

		flow->pid = task->tgid;
		flow->uid = task->cred->uid.val;
		copy_comm(flow->comm, task);
	} else {
		flow->pid = bpf_get_current_pid_tgid() >> 32;
		flow->uid = bpf_get_current_uid_gid();
		bpf_get_current_comm(flow->comm, sizeof(flow->comm));
	}
}

/*
 * Counts a decision in its flow; returns the flow's count, and whether the decision deserves a record of its own, as
 * act() does. A record carries the count, so a race that sends two, or a full ring that loses one, costs none: the
 * next one tells.
 */
static __always_inline __u64 count_flow(struct aegis_flow_key *key)
{
	__u32 epoch = control.epoch;
	void *counting = flows_of(epoch);
	struct aegis_flow *flow = bpf_map_lookup_elem(counting, key);
	__u64 now = bpf_ktime_get_boot_ns(), acted = epoch & 1 ? ACT_ODD : 0;

	if (!flow) {
		struct aegis_flow fresh = { .total = 1 };

		note_caller(&fresh, now);
		if (!bpf_map_update_elem(counting, key, &fresh, BPF_NOEXIST))
			return 1 << ACT_TOTAL | ACT_SEND | acted;
		flow = bpf_map_lookup_elem(counting, key); /* another CPU's */
		if (!flow) {
			count(AEGIS_UNTRACKED_FLOW);
			count_rule(key);
			return ACT_SEND;
		}
	}
	__sync_fetch_and_add(&flow->total, 1);
	if (!flow->recorded_ns || now - flow->recorded_ns >= control.coalesce_ns) {
		note_caller(flow, now);
		acted |= ACT_SEND;
	}
	return *(volatile __u64 *)&flow->total << ACT_TOTAL | acted;
}

/*
 * A decision and how it came about, packed: it fits the five arguments of a function that is verified alone. The
 * bits of a live word are few, and so are rules.
 */
static __always_inline __u64 how(__u64 verdict, __u32 ops, __u32 backend, __u32 flags, __u32 live)
{
	return ops | backend << 8 | verdict_action(verdict) << 12 | flags << 16 | (__u64)(live & 0xff) << 32 |
	       verdict << 40;
}

#define HOW_BOUND 0x8000u /* not a decision: another file stands at the rule's place */

static __always_inline __u32 how_ops(__u64 how)
{
	return how & 0xff;
}

static __always_inline __u32 how_backend(__u64 how)
{
	return how >> 8 & 0xf;
}

static __always_inline __u32 how_live(__u64 how)
{
	return how >> 32 & 0xff;
}

/* The deciding rule. */
static __always_inline struct aegis_rule *how_rule(__u64 how)
{
	void *set_rules = rules_of(how_live(how));
	__u32 index = how >> 40;

	return set_rules ? bpf_map_lookup_elem(set_rules, &index) : NULL;
}

/* Whether a decision refuses: not where nothing can be refused, nor during an emergency stop. */
static __always_inline bool refuses(__u64 how)
{
	if ((how >> 12 & 0xf) != AEGIS_DENY || how_backend(how) == AEGIS_BACKEND_FENTRY ||
	    how_backend(how) == AEGIS_BACKEND_TRACEPOINT)
		return false;
	return !(how_live(how) & AEGIS_LIVE_EMERGENCY) || bpf_ktime_get_boot_ns() >= control.emergency_until_ns;
}

/* Counts and signals what a decision on the file ino:tail stands for. */
__u64 act(__u64 ino, __u64 tail, __u64 how)
{
	struct aegis_rule *rule = how_rule(how);
	__u64 *counted = counters_here(), counts;
	struct aegis_flow_key flow = {};
	bool refuse = refuses(how);

	if (!rule || !counted)
		return refuse;
	if (rule->flags & AEGIS_RULE_CANARY) {
		__sync_fetch_and_add(&counted[AEGIS_CANARY_SEEN], 1);
		return refuse;
	}
	note_identity(&flow.file, ino, tail);
	flow.cgroup = caller_cgroup_id();
	flow.rule = rule->number;
	flow.op = first_op(how_ops(how) & rule->ops);
	flow.action = refuse ? AEGIS_DENY : AEGIS_AUDIT;
	if (refuse && rule->signal)
		bpf_send_signal(rule->signal);
	if (refuse)
		__sync_fetch_and_add(&counted[AEGIS_DENIED], 1);
	else
		__sync_fetch_and_add(&counted[AEGIS_AUDITED], 1);
	__sync_fetch_and_add(&counted[AEGIS_EMITTED], 1);
	counts = count_flow(&flow);
	if (!(counts & ACT_SEND))
		__sync_fetch_and_add(&counted[AEGIS_COALESCED], 1);
	return counts | refuse;
}

/*
 * A record of a decision on the file ino:tail, of which act() said `acted`; without the caller and text. NULL where
 * there is no room, and to be compared at once: or the verifier of 6.1 forgets that it asked already.
 */
static __always_inline struct aegis_record *new_record(__u64 ino, __u64 tail, __u64 how, __u64 acted)
{
	struct aegis_rule *rule = how_rule(how);
	struct aegis_record *record;

	if (!rule)
		return NULL;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		count(AEGIS_DROPPED_RING_FULL);
		return NULL;
	}
	record->version = AEGIS_SCHEMA;
	record->type = how & HOW_BOUND << 16 ? AEGIS_RECORD_TYPE_BOUND : AEGIS_RECORD_TYPE_DECISION;
	record->op = first_op(how_ops(how) & rule->ops);
	record->action = acted & ACT_REFUSE ? AEGIS_DENY : AEGIS_AUDIT;
	record->backend = how_backend(how);
	record->flags = how >> 16 & 0x7fff;
	record->time_ns = bpf_ktime_get_boot_ns();
	record->total = acted >> ACT_TOTAL;
	record->epoch = acted & ACT_ODD ? 1 : 0;
	record->generation = control.sets[how_live(how) & AEGIS_LIVE_SET].generation;
	note_identity(&record->file, ino, tail);
	record->cgroup = caller_cgroup_id();
	record->rule = rule->number;
	record->ret = acted & ACT_REFUSE ? -EPERM : 0;
	record->text_len = 0;
	return record;
}

/*
 * The agent looks at the ring many times a second, so a decision does not pay for waking it, and a flood cannot keep
 * it awake. It is woken when there is something to follow, and when the ring fills.
 */
static __always_inline void submit_record(struct aegis_record *record)
{
	__u64 wakeup = BPF_RB_NO_WAKEUP;

	if (record->type == AEGIS_RECORD_TYPE_BOUND ||
	    bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > RING_BYTES / 4)
		wakeup = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(record, wakeup);
	count(AEGIS_DELIVERED);
}

/* Sends a record; pointers travel as numbers, and mnt may be 0. */
__u64 send(__u64 inode_address, __u64 dentry, __u64 mnt, __u64 how, __u64 acted)
{
	struct inode *inode = (void *)inode_address;
	struct task_struct *task = caller_task();
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);
	struct aegis_record *record = new_record(BPF_CORE_READ(inode, i_ino), tail_at(inode), how, acted);

	if (!record)
		return 0;
	fill_caller(record, task, exe);
	fill_text(record, (void *)dentry, (void *)mnt, task, exe);
	submit_record(record);
	return 0;
}

/* send() for the open path, where pointers are typed; only where HAS_TYPED_TASK. */
static __noinline int send_typed(struct file *file, __u64 how, __u64 acted)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct inode *inode = file->f_inode;
	struct mm_struct *mm = task->mm;
	struct file *exe = NULL;
	struct aegis_record *record;

	if (mm)
		exe = mm->exe_file;
	record = new_record(inode->i_ino, tail_of(inode), how, acted);
	if (!record)
		return 0;
	fill_caller_typed(record, task, exe);
	write_path_typed(record, file->f_path.dentry, file->f_path.mnt, task->fs);
	record->path_len = record->text_len;
	if (exe)
		write_path_typed(record, exe->f_path.dentry, exe->f_path.mnt, task->fs);
	record->exe_len = record->text_len - record->path_len;
	write_cgroup_typed(record, task->cgroups->dfl_cgrp);
	record->cgroup_len = record->text_len - record->path_len - record->exe_len;
	submit_record(record);
	return 0;
}

#endif
