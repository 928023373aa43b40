/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules of whole subtrees: walk from the file up to its file system's root and look for a directory that a rule
 * names. The walk follows dentries, so bind mounts and mount namespaces do not matter.
 */
#ifndef AEGIS_SUBTREE_H
#define AEGIS_SUBTREE_H

#define WALK_LEVELS 128

/* What the rules of a directory's subtree say. A function of its own, as covers_subtree(). */
__noinline __u64 judge_subtree(__u64 dir_address, __u32 ops, __u32 live)
{
	struct inode *dir = (void *)dir_address;

	return judge(BPF_CORE_READ(dir, i_ino), tail_at(dir), AEGIS_DIR, ops, live);
}

/* For the open path: reads through typed pointers, which lsm, fmod_ret and fentry programs may follow directly. */
static __always_inline __u64 judge_above(struct dentry *dentry, __u32 ops, __u32 live)
{
	__u32 set = live & AEGIS_LIVE_SET;
	__u64 verdict = 0;
	int i;

	for (i = 0; i < WALK_LEVELS; i++) {
		struct dentry *parent = dentry->d_parent;
		struct inode *inode;
		__u64 ino;

		if (parent == dentry)
			break;
		inode = parent->d_inode;
		ino = inode->i_ino;
		if (state.dir_filter[set][filter_slot(ino, AEGIS_DIR_FILTER_BITS)])
			verdict = stronger(verdict, judge_subtree(address_of(inode), ops, live));
		dentry = parent;
	}
	return verdict;
}

#define NESTED_SUBTREES 16

/*
 * Whether some rule covers the subtree of a directory. A function of its own: the verifier looks at it once, not once
 * for each level of a walk and each way that the walk came.
 */
__noinline __u64 covers_subtree(__u64 inode_address, __u32 live)
{
	struct inode *inode = (void *)inode_address;
	struct aegis_key key = { .kind = AEGIS_DIR, .a = BPF_CORE_READ(inode, i_ino) };
	void *set_entries;

	if (!state.dir_filter[live & AEGIS_LIVE_SET][filter_slot(key.a, AEGIS_DIR_FILTER_BITS)])
		return 0;
	set_entries = entries_of(live);
	key.b = tail_at(inode);
	return set_entries && bpf_map_lookup_elem(set_entries, &key);
}

/* The nearest directory above a dentry whose subtree some rule covers, 0 for none; pointers travel as numbers. */
__noinline __u64 next_subtree(__u64 address, __u32 live)
{
	struct dentry *dentry = (void *)address;
	int i;

	for (i = 0; i < WALK_LEVELS; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (parent == dentry)
			break;
		if (covers_subtree((__u64)BPF_CORE_READ(parent, d_inode), live))
			return (__u64)parent;
		dentry = parent;
	}
	return 0;
}

/* judge_above() for all other hooks. */
__u64 judge_above_at(__u64 dentry, __u32 ops, __u32 live)
{
	__u64 verdict = 0;
	int i;

	for (i = 0; i < NESTED_SUBTREES; i++) {
		struct inode *inode;

		dentry = next_subtree(dentry, live);
		if (!dentry)
			break;
		inode = BPF_CORE_READ((struct dentry *)dentry, d_inode);
		verdict = stronger(verdict, judge(BPF_CORE_READ(inode, i_ino), tail_at(inode), AEGIS_DIR, ops, live));
	}
	return verdict;
}

#define HAS_ALIASES (bpf_core_field_exists(struct dentry, d_u.d_alias) && bpf_core_field_exists(struct inode, i_dentry))

/* One of the names that the kernel holds of an inode, which is the only one of a directory; 0 where it holds none. */
static __always_inline __u64 alias_of(struct inode *inode)
{
	__u64 node = (__u64)BPF_CORE_READ(inode, i_dentry.first);

	return node ? node - bpf_core_field_offset(struct dentry, d_u.d_alias) : 0;
}

/* What all rules say of an operation on one file and one of its names; pointers travel as numbers. */
__u64 judge_one(__u64 inode_address, __u64 dentry, __u32 ops, __u32 live)
{
	struct inode *inode = (void *)inode_address;
	__u64 ino = BPF_CORE_READ(inode, i_ino), verdict = 0;

	if (state.file_filter[live & AEGIS_LIVE_SET][filter_slot(ino, AEGIS_FILE_FILTER_BITS)])
		verdict = judge_file(ino, tail_at(inode), ops, live);
	if (live & AEGIS_LIVE_SUBTREES && verdict_action(verdict) != AEGIS_DENY)
		verdict = stronger(verdict, judge_above_at(dentry, ops, live));
	return verdict;
}

/* How copy_rules() copies: to an inode of this mode, in this set, the entries of this kind. */
static __always_inline __u64 copying(__u32 mode, __u32 set, __u32 kind)
{
	return mode | (__u64)(set & AEGIS_LIVE_SET) << 32 | (__u64)kind << 33;
}

/* Gives a file or directory ino:tail the rules of a file, or for all below a directory, from:from_tail. */
__u64 copy_rules(__u64 from, __u64 from_tail, __u64 ino, __u64 tail, __u64 copying)
{
	struct aegis_key key = { .a = from, .b = from_tail, .kind = copying >> 33 };
	__u32 kind = (copying & S_IFMT) == S_IFDIR ? AEGIS_DIR : AEGIS_FILE, set = copying >> 32 & 1, slot;
	void *set_entries = entries_of(set);

	if (!set_entries)
		return 0;
	for (slot = 0; slot < AEGIS_SLOTS; slot++) {
		struct aegis_entry *entry;

		key.slot = slot;
		entry = bpf_map_lookup_elem(set_entries, &key);
		if (!entry)
			break;
		if (kind == AEGIS_DIR)
			state.dir_filter[set][filter_slot(ino, AEGIS_DIR_FILTER_BITS)] = 1;
		else
			state.file_filter[set][filter_slot(ino, AEGIS_FILE_FILTER_BITS)] = 1;
		add_entry(ino, tail, kind, entry->rule, set);
	}
	return 0;
}

/* A file is about to get a name elsewhere, or is copied: rules of subtrees above the name it has go with the inode. */
__u64 keep_subtree_rules(__u64 dentry, __u64 inode_address, __u32 live)
{
	struct inode *inode = (void *)inode_address;
	__u64 ino = BPF_CORE_READ(inode, i_ino), tail = tail_at(inode);
	__u32 mode = BPF_CORE_READ(inode, i_mode);
	int i;

	for (i = 0; i < NESTED_SUBTREES; i++) {
		struct inode *dir;

		dentry = next_subtree(dentry, live);
		if (!dentry)
			break;
		dir = BPF_CORE_READ((struct dentry *)dentry, d_inode);
		copy_rules(BPF_CORE_READ(dir, i_ino), tail_at(dir), ino, tail, copying(mode, live, AEGIS_DIR));
	}
	return 0;
}

/* keep_subtree_rules() in every set that may decide about the file later. */
static __always_inline void keep_rules(__u64 dentry, __u32 live)
{
	__u64 inode = (__u64)BPF_CORE_READ((struct dentry *)dentry, d_inode);

	if (live & AEGIS_LIVE_SUBTREES)
		keep_subtree_rules(dentry, inode, live);
	if (live & AEGIS_LIVE_CONFIRM && control.previous & AEGIS_LIVE_SUBTREES)
		keep_subtree_rules(dentry, inode, control.previous);
}

#endif
