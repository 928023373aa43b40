/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a file is to the sets: inode number, device and generation, as an inode holds them. The last two are the second
 * half of a key, its tail.
 */
#ifndef AEGIS_IDENTITY_H
#define AEGIS_IDENTITY_H

#define BTRFS_MAGIC 0x9123683e

/* A typed pointer as a number, which is all that functions verified on their own take. */
static __always_inline __u64 address_of(const void *pointer)
{
	const void *copy = pointer;
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &copy);
	return address;
}

static __always_inline __u64 number_at(__u64 address)
{
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), (void *)address);
	return number;
}

static __always_inline __u64 identity_tail(__u32 dev, __u32 gen)
{
	return (__u64)dev << 32 | gen;
}

/*
 * The subvolumes of a btrfs number their inodes alike, and its snapshots have the generations too. This tells them
 * apart: a number for an inode's subvolume. The agent says where it is to be found, once it has met a file of btrfs.
 */
__u64 subvolume_of(__u64 inode)
{
	__u64 root;

	if (!state.btrfs.root_before)
		return 0;
	root = number_at(inode - state.btrfs.root_before);
	return number_at(root + state.btrfs.root_id) * AEGIS_FILTER_FACTOR >> 32;
}

/* An inode's tail, through a typed pointer. */
static __always_inline __u64 tail_of(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;
	__u32 gen = inode->i_generation;

	if (sb->s_magic == BTRFS_MAGIC)
		gen ^= subvolume_of(address_of(inode));
	return identity_tail(sb->s_dev, gen);
}

/* The same through an untyped one. */
static __always_inline __u64 tail_at(struct inode *inode)
{
	struct super_block *sb = BPF_CORE_READ(inode, i_sb);
	__u32 gen = BPF_CORE_READ(inode, i_generation);

	if (BPF_CORE_READ(sb, s_magic) == BTRFS_MAGIC)
		gen ^= subvolume_of((__u64)inode);
	return identity_tail(BPF_CORE_READ(sb, s_dev), gen);
}

#endif
