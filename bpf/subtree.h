/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules of whole subtrees: walk from the file up to its file system's root and look for a directory that a rule
 * names. The walk follows dentries, so bind mounts and mount namespaces do not matter.
 */
#ifndef AEGIS_SUBTREE_H
#define AEGIS_SUBTREE_H

#define WALK_LEVELS 128

/* Reads through typed pointers, which lsm, fmod_ret and fentry programs may follow directly. */
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
			verdict = stronger(verdict, judge(ino, identity_tail(inode->i_sb->s_dev, inode->i_generation),
							  AEGIS_DIR, ops, live));
		dentry = parent;
	}
	return verdict;
}

/* The same for programs that hold untyped pointers. */
static __always_inline __u64 judge_above_read(struct dentry *dentry, __u32 ops, __u32 live)
{
	__u32 set = live & AEGIS_LIVE_SET;
	__u64 verdict = 0;
	int i;

	for (i = 0; i < WALK_LEVELS; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		struct inode *inode;
		__u64 ino;

		if (parent == dentry)
			break;
		inode = BPF_CORE_READ(parent, d_inode);
		ino = BPF_CORE_READ(inode, i_ino);
		if (state.dir_filter[set][filter_slot(ino, AEGIS_DIR_FILTER_BITS)])
			verdict = stronger(verdict, judge(ino,
							  identity_tail(BPF_CORE_READ(inode, i_sb, s_dev),
									BPF_CORE_READ(inode, i_generation)),
							  AEGIS_DIR, ops, live));
		dentry = parent;
	}
	return verdict;
}

#endif
