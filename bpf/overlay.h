/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * overlayfs: a merged file is an inode of its own over an upper or a lower one. Opening shows the program both, other
 * operations only the merged one; and what is changed through the overlay is copied up, to a new inode. So rules of a
 * lower file decide about the merged one too, and go with the copy.
 */
#ifndef AEGIS_OVERLAY_H
#define AEGIS_OVERLAY_H

#define OVERLAY_MAGIC 0x794c7630
#define LOWER_WAYS 3

static __always_inline bool is_merged(struct inode *inode)
{
	return BPF_CORE_READ(inode, i_sb, s_magic) == OVERLAY_MAGIC;
}

/*
 * The lower file's name under a merged inode, by one of the ways in which overlayfs has kept it behind its inode and
 * the upper dentry: the kernel tells the types of a module only once it is loaded, which may be after this program.
 * The other ways give 0 or a number without a meaning, behind which no file is that a set names: to be used for
 * nothing else.
 */
static __always_inline __u64 lower_of(__u64 merged, __u32 way)
{
	__u64 at = merged + bpf_core_type_size(struct inode) + 8, inode;

	if (way == 1)
		return number_at(at + 8); /* until 6.4: layer, dentry */
	if (way == 2)
		return number_at(number_at(at) + 16); /* behind a pointer: count, layer, dentry */
	inode = number_at(at); /* until 5.19 */
	return inode && HAS_ALIASES ? alias_of((void *)inode) : 0;
}

static __always_inline __u64 inode_of(__u64 dentry)
{
	return (__u64)BPF_CORE_READ((struct dentry *)dentry, d_inode);
}

/* What the rules of a merged inode's lower file say; pointers travel as numbers. */
__u64 judge_lower(__u64 merged, __u32 ops, __u32 live)
{
	__u64 verdict = 0;
	__u32 way;

	for (way = 0; way < LOWER_WAYS; way++) {
		__u64 lower = lower_of(merged, way);

		if (lower)
			verdict = stronger(verdict, judge_one(inode_of(lower), lower, ops, live));
	}
	return verdict;
}

/* What all rules say of an operation on a file, one of its names, and what is below it; pointers travel as numbers. */
static __always_inline __u64 judge_object(__u64 inode, __u64 dentry, __u32 ops, __u32 live)
{
	__u64 verdict = judge_one(inode, dentry, ops, live);

	if (verdict_action(verdict) != AEGIS_DENY && is_merged((void *)inode))
		verdict = stronger(verdict, judge_lower(inode, ops, live));
	return verdict;
}

/* This task, in the sets: it copies up a merged file. */
static __always_inline struct aegis_key copying_task(void)
{
	return (struct aegis_key){ .a = bpf_get_current_pid_tgid(), .kind = AEGIS_COPY_UP };
}

/* A merged file is about to be copied up by this task: notes it where some set may name what is below. */
__u64 note_copy_up(__u64 merged)
{
	struct aegis_entry value = { .rule = AEGIS_NO_RULE, .mask = merged };
	struct aegis_key key = copying_task();
	bool named = (control.live | control.previous) & AEGIS_LIVE_SUBTREES;
	__u32 way, set;

	if ((BPF_CORE_READ((struct inode *)merged, i_mode) & S_IFMT) == S_IFDIR)
		return 0;
	for (way = 0; way < LOWER_WAYS; way++) {
		struct dentry *lower = (void *)lower_of(merged, way);
		__u32 slot = filter_slot(BPF_CORE_READ(lower, d_inode, i_ino), AEGIS_FILE_FILTER_BITS);

		if (state.file_filter[0][slot] || state.file_filter[1][slot])
			named = true;
	}
	if (!named)
		return 0;
	for (set = 0; set < 2; set++) {
		void *set_entries = entries_of(set);

		if (set_entries)
			bpf_map_update_elem(set_entries, &key, &value, BPF_ANY);
	}
	return 0;
}

/* Gives a copy the rules of a file, by the file's name, in one set. */
__u64 keep_lower_rules(__u64 dentry, __u64 copy_address, __u32 set)
{
	struct inode *lower = (void *)inode_of(dentry), *copy = (void *)copy_address;
	__u64 ino = BPF_CORE_READ(lower, i_ino), copy_ino = BPF_CORE_READ(copy, i_ino);
	__u64 tail = tail_at(lower), copy_tail = tail_at(copy);

	copy_rules(ino, tail, copy_ino, copy_tail, copying(0, set, AEGIS_FILE));
	copy_rules(ino, tail >> 32 << 32, copy_ino, copy_tail, copying(0, set, AEGIS_INODE));
	keep_subtree_rules(dentry, copy_address, set);
	return 0;
}

/* Whether this task acts with the credentials of another, as overlayfs does with those of who mounted it. */
static __always_inline bool borrows_credentials(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (HAS_TYPED_TASK) {
		struct task_struct *typed = bpf_get_current_task_btf();

		return typed->cred != typed->real_cred;
	}
	return BPF_CORE_READ(task, cred) != BPF_CORE_READ(task, real_cred);
}

/* An inode got its first name: if this task copies up a file, it is the copy. */
__u64 finish_copy_up(__u64 copy)
{
	struct aegis_key key = copying_task();
	__u32 set, way;

	for (set = 0; set < 2; set++) {
		void *set_entries = entries_of(set);
		struct aegis_entry *entry;
		__u64 merged;

		if (!set_entries)
			continue;
		entry = bpf_map_lookup_elem(set_entries, &key);
		if (!entry)
			continue;
		merged = entry->mask;
		bpf_map_delete_elem(set_entries, &key);
		for (way = 0; way < LOWER_WAYS; way++) {
			__u64 lower = lower_of(merged, way);

			if (lower)
				keep_lower_rules(lower, copy, set);
		}
	}
	return 0;
}

#endif
