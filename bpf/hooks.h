/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hooks besides opening a file. Each is attached only while a rule of a set needs it. Arguments are taken from
 * the context by number, as their positions differ: lsm hooks and security_*() functions take different ones, and
 * 5.12 and 6.3 put an id mapping before the dentry.
 */
#ifndef AEGIS_HOOKS_H
#define AEGIS_HOOKS_H

typedef unsigned long long context;

/* Whether a hook's first argument is the id mapping; set before loading from the kernel's BTF. */
const volatile bool setattr_mapped_lsm = false;
const volatile bool setattr_mapped = false;
const volatile bool xattr_mapped = false;

/* An operation on a name and what it stands for; a pointer travels as a number. */
static __always_inline int on_dentry(__u64 dentry, __u32 ops, __u32 backend)
{
	return on_object((__u64)BPF_CORE_READ((struct dentry *)dentry, d_inode), dentry, 0, ops, backend,
			 AEGIS_PATH_PARTIAL);
}

/*
 * One hook in three ways: as lsm, as fmod_ret, and as fentry that only reports. BODY sees `ctx` and BACKEND;
 * LSM_RET and FMOD_RET are the positions of what earlier programs answered.
 */
#define HOOK(NAME, LSM_RET, FMOD_RET, BODY)                       \
	SEC("lsm/" #NAME)                                         \
	int lsm_##NAME(context *ctx)                              \
	{                                                         \
		int ret = ctx[LSM_RET];                           \
                                                                  \
		return ret ? ret : BODY(ctx, AEGIS_BACKEND_LSM);  \
	}                                                         \
	SEC("fmod_ret/security_" #NAME)                           \
	int fmod_##NAME(context *ctx)                             \
	{                                                         \
		int ret = ctx[FMOD_RET];                          \
                                                                  \
		return ret ? ret : BODY(ctx, AEGIS_BACKEND_FMOD_RET); \
	}                                                         \
	SEC("fentry/security_" #NAME)                             \
	int fentry_##NAME(context *ctx)                           \
	{                                                         \
		BODY(ctx, AEGIS_BACKEND_FENTRY);                  \
		return 0;                                         \
	}

/* (dir, dentry) */
static __always_inline int on_delete(context *ctx, __u32 backend)
{
	return on_dentry(address_of((void *)ctx[1]), OP_BIT(DELETE), backend);
}

HOOK(inode_unlink, 2, 2, on_delete)
HOOK(inode_rmdir, 2, 2, on_delete)

/* (old_dentry, dir, new_dentry) */
static __always_inline int on_link(context *ctx, __u32 backend)
{
	__u64 old = address_of((void *)ctx[0]);

	keep_rules(old, live_word());
	return on_dentry(old, OP_BIT(LINK), backend);
}

HOOK(inode_link, 3, 3, on_link)

/*
 * (old_dir, old_dentry, new_dir, new_dentry[, flags]). The lsm hook runs once for each direction of an exchange,
 * security_inode_rename() once for both. What comes to stand at a place is bound before it moves, unless a rule
 * stops the move; where a later check does, that is more than needed, never less.
 */
static __always_inline int on_rename(context *ctx, __u32 backend, __u32 flags)
{
	__u64 old = address_of((void *)ctx[1]), new = address_of((void *)ctx[3]);
	struct dentry *old_dentry = (void *)old, *new_dentry = (void *)new;
	__u64 replaced = (__u64)BPF_CORE_READ(new_dentry, d_inode);
	__u32 live = live_word();

	if (on_dentry(old, OP_BIT(RENAME), backend) || on_dentry(new, OP_BIT(RENAME), backend))
		return answer(true);
	bind_name(new, (__u64)BPF_CORE_READ(old_dentry, d_inode));
	if (flags & RENAME_EXCHANGE)
		bind_name(old, replaced);
	if (live & (AEGIS_LIVE_SUBTREES | AEGIS_LIVE_CONFIRM) &&
	    BPF_CORE_READ(old_dentry, d_parent) != BPF_CORE_READ(new_dentry, d_parent)) {
		keep_rules(old, live);
		if (flags & RENAME_EXCHANGE)
			keep_rules(new, live);
	}
	return 0;
}

SEC("lsm/inode_rename")
int lsm_inode_rename(context *ctx)
{
	int ret = ctx[4];

	return ret ? ret : on_rename(ctx, AEGIS_BACKEND_LSM, 0);
}

SEC("fmod_ret/security_inode_rename")
int fmod_inode_rename(context *ctx)
{
	int ret = ctx[5];

	return ret ? ret : on_rename(ctx, AEGIS_BACKEND_FMOD_RET, ctx[4]);
}

SEC("fentry/security_inode_rename")
int fentry_inode_rename(context *ctx)
{
	on_rename(ctx, AEGIS_BACKEND_FENTRY, ctx[4]);
	return 0;
}

/* A name comes to stand for an inode: created, linked, or looked up for the first time. */
static __always_inline int on_instantiate(struct dentry *dentry, struct inode *inode)
{
	/* The root of a file system is its own parent, and has no inode yet. */
	struct inode *parent = dentry->d_parent->d_inode;
	__u64 dir = parent ? parent->i_ino : 0;

	if (inode && borrows_credentials())
		finish_copy_up(address_of(inode));
	if (inode && may_be_place(dir))
		bind_name(address_of(dentry), address_of(inode));
	return 0;
}

/* With lsm as lsm, though it only learns: kernels that preempt leave fentry programs out. */
SEC("lsm/d_instantiate")
int BPF_PROG(lsm_d_instantiate, struct dentry *dentry, struct inode *inode)
{
	return on_instantiate(dentry, inode);
}

SEC("fentry/security_d_instantiate")
int BPF_PROG(fentry_d_instantiate, struct dentry *dentry, struct inode *inode)
{
	return on_instantiate(dentry, inode);
}

/* Changing a file of overlayfs begins with a copy; the inode that it makes next is the copy. */
SEC("lsm/inode_copy_up")
int BPF_PROG(lsm_inode_copy_up, struct dentry *merged)
{
	note_copy_up(address_of(merged->d_inode));
	return 0;
}

SEC("fentry/security_inode_copy_up")
int BPF_PROG(fentry_inode_copy_up, struct dentry *merged)
{
	note_copy_up(address_of(merged->d_inode));
	return 0;
}

/* The size is an attribute too, but has an operation of its own. The kernel forces changes that nobody asked for. */
static __always_inline int on_setattr(void *dentry, struct iattr *attr, __u32 backend)
{
	__u32 valid = BPF_CORE_READ(attr, ia_valid);

	if (valid & ATTR_SIZE)
		return on_dentry(address_of(dentry), OP_BIT(TRUNCATE), backend);
	return valid & ATTR_FORCE ? 0 : on_dentry(address_of(dentry), OP_BIT(ATTR), backend);
}

SEC("lsm/inode_setattr")
int lsm_inode_setattr(context *ctx)
{
	int ret;

	if (setattr_mapped_lsm) {
		ret = ctx[3];
		return ret ? ret : on_setattr((void *)ctx[1], (void *)ctx[2], AEGIS_BACKEND_LSM);
	}
	ret = ctx[2];
	return ret ? ret : on_setattr((void *)ctx[0], (void *)ctx[1], AEGIS_BACKEND_LSM);
}

SEC("fmod_ret/security_inode_setattr")
int fmod_inode_setattr(context *ctx)
{
	int ret;

	if (setattr_mapped) {
		ret = ctx[3];
		return ret ? ret : on_setattr((void *)ctx[1], (void *)ctx[2], AEGIS_BACKEND_FMOD_RET);
	}
	ret = ctx[2];
	return ret ? ret : on_setattr((void *)ctx[0], (void *)ctx[1], AEGIS_BACKEND_FMOD_RET);
}

SEC("fentry/security_inode_setattr")
int fentry_inode_setattr(context *ctx)
{
	if (setattr_mapped)
		on_setattr((void *)ctx[1], (void *)ctx[2], AEGIS_BACKEND_FENTRY);
	else
		on_setattr((void *)ctx[0], (void *)ctx[1], AEGIS_BACKEND_FENTRY);
	return 0;
}

/* ([mapping,] dentry, ...): ARGS is how many arguments there are with the mapping. */
#define ATTRIBUTE_HOOK(NAME, ARGS, MAPPED)                                                            \
	static __always_inline int on_##NAME(context *ctx, __u32 backend)                             \
	{                                                                                             \
		int ret;                                                                              \
                                                                                                      \
		if (MAPPED) {                                                                         \
			ret = backend == AEGIS_BACKEND_FENTRY ? 0 : ctx[ARGS];                        \
			return ret ? ret : on_dentry(address_of((void *)ctx[1]), OP_BIT(ATTR), backend);          \
		}                                                                                     \
		ret = backend == AEGIS_BACKEND_FENTRY ? 0 : ctx[(ARGS) - 1];                          \
		return ret ? ret : on_dentry(address_of((void *)ctx[0]), OP_BIT(ATTR), backend);                  \
	}                                                                                             \
	SEC("lsm/" #NAME)                                                                             \
	int lsm_##NAME(context *ctx)                                                                  \
	{                                                                                             \
		return on_##NAME(ctx, AEGIS_BACKEND_LSM);                                             \
	}                                                                                             \
	SEC("fmod_ret/security_" #NAME)                                                               \
	int fmod_##NAME(context *ctx)                                                                 \
	{                                                                                             \
		return on_##NAME(ctx, AEGIS_BACKEND_FMOD_RET);                                        \
	}                                                                                             \
	SEC("fentry/security_" #NAME)                                                                 \
	int fentry_##NAME(context *ctx)                                                               \
	{                                                                                             \
		on_##NAME(ctx, AEGIS_BACKEND_FENTRY);                                                 \
		return 0;                                                                             \
	}

ATTRIBUTE_HOOK(inode_setxattr, 6, xattr_mapped)
ATTRIBUTE_HOOK(inode_removexattr, 3, xattr_mapped)
/* since 6.2; before, access control lists are set as extended attributes */
ATTRIBUTE_HOOK(inode_set_acl, 4, true)
ATTRIBUTE_HOOK(inode_remove_acl, 3, true)

/* Running a file by mapping it: ld.so FILE, dlopen. The file is NULL for anonymous memory. */
static __always_inline int on_mmap(context *ctx, __u64 prot, __u32 backend)
{
	return prot & PROT_EXEC ? on_file((void *)address_of((void *)ctx[0]), OP_BIT(EXEC), backend) : 0;
}

SEC("lsm/mmap_file")
int lsm_mmap_file(context *ctx)
{
	int ret = ctx[4];

	return ret ? ret : on_mmap(ctx, ctx[2], AEGIS_BACKEND_LSM);
}

/* What lsm programs are told as prot, security_mmap_file() finds out itself: to some, readable means executable. */
static __always_inline __u64 implied_prot(__u64 prot)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (prot & PROT_READ && BPF_CORE_READ(task, personality) & READ_IMPLIES_EXEC)
		prot |= PROT_EXEC;
	return prot;
}

SEC("fmod_ret/security_mmap_file")
int fmod_mmap_file(context *ctx)
{
	int ret = ctx[3];

	return ret ? ret : on_mmap(ctx, implied_prot(ctx[1]), AEGIS_BACKEND_FMOD_RET);
}

SEC("fentry/security_mmap_file")
int fentry_mmap_file(context *ctx)
{
	on_mmap(ctx, implied_prot(ctx[1]), AEGIS_BACKEND_FENTRY);
	return 0;
}

/* (vma, reqprot, prot): the same in two steps, mmap() and mprotect() */
static __always_inline int on_mprotect(context *ctx, __u32 backend)
{
	struct vm_area_struct *vma = (void *)ctx[0];

	return ctx[2] & PROT_EXEC ? on_file(BPF_CORE_READ(vma, vm_file), OP_BIT(EXEC), backend) : 0;
}

HOOK(file_mprotect, 3, 3, on_mprotect)

/* A cgroup of the default hierarchy is made: nobody can be in it yet. Older hierarchies have ids of their own. */
SEC("raw_tp/cgroup_mkdir")
int tp_cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup *cgrp = (void *)ctx->args[0];
	struct kernfs_node *kn = BPF_CORE_READ(cgrp, kn);
	__u64 parent = BPF_CORE_READ(parent_of(kn), id), id = BPF_CORE_READ(kn, id), hash;
	const char *text = BPF_CORE_READ(kn, name);
	char name[NAME_ROOM];
	long len;

	if (BPF_CORE_READ(cgrp, root, hierarchy_id))
		return 0;
	len = bpf_probe_read_kernel_str(name, sizeof(name), text);
	if (len <= 1)
		return 0;
	hash = hash_name((__u64)text, len - 1);
	bind_cgroup(parent, hash, id, 0);
	bind_cgroup(parent, hash, id, 1);
	return 0;
}

#endif
