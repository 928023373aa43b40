/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's types, as far as they are used here. CO-RE relocates every access, so neither the order nor
 * the completeness of a struct matters; a name with ___ is a variant of an older or newer kernel.
 */
#ifndef AEGIS_KERNEL_H
#define AEGIS_KERNEL_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
	__u32 hash;
	__u32 len;
	const unsigned char *name;
};

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct inode {
	__u16 i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	const unsigned int i_nlink;
	__u32 i_generation;
	struct hlist_head i_dentry;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
	union {
		struct hlist_node d_alias;
	} d_u;
};

struct iattr {
	unsigned int ia_valid;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	unsigned int f_mode;
};

struct vm_area_struct {
	struct file *vm_file;
};

struct fs_struct {
	struct path root;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	struct file *exe_file;
	struct task_struct *owner;
};

struct kernfs_node {
	struct kernfs_node *parent;
	const char *name;
	__u64 id;
};

/* since 6.15 the parent is behind RCU and renamed */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	int level;
	struct cgroup_root *root;
	struct kernfs_node *kn;
	struct cgroup *ancestors[]; /* since 6.1 */
};

struct cgroup___ids {
	int level;
	__u64 ancestor_ids[]; /* until 6.0 */
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

struct cred {
	kuid_t uid;
	kgid_t gid;
};

struct task_struct {
	unsigned int flags;
	unsigned int personality;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct files_struct *files;
	struct css_set *cgroups;
	__u64 start_boottime;
	const struct cred *cred;
	const struct cred *real_cred;
	char comm[16];
};


/* The registers of a system call, in the two architectures' layouts. */
struct pt_regs___x86_64 {
	unsigned long si, di, orig_ax;
};

struct pt_regs___arm64 {
	struct {
		__u64 regs[31];
	} user_regs;
	__s32 syscallno;
};

#pragma clang attribute pop

#define PF_KTHREAD 0x00200000
#define S_IFMT 0170000
#define S_IFDIR 0040000
#define RENAME_EXCHANGE 2u
#define PROT_READ 1
#define PROT_EXEC 4
#define READ_IMPLIES_EXEC 0x0400000
#define ATTR_SIZE 8u
#define ATTR_FORCE 512u
#define FMODE_READ 1u
#define FMODE_WRITE 2u
#define FMODE_EXEC 0x20u /* in f_flags, as __FMODE_EXEC */
#define O_PATH 010000000
#define EPERM 1

#endif
