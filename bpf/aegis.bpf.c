/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs: thin attach points around one decision. What a program may do with a verdict is all that
 * differs between the backends: lsm and fmod_ret refuse, fentry and the tracepoints report.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <stdbool.h>

#include "aegis.h"
#include "kernel.h"
#include "maps.h"
#include "identity.h"
#include "decide.h"
#include "text.h"
#include "record.h"
#include "places.h"
#include "subtree.h"
#include "overlay.h"

/* Named so that the object's BTF describes them; the agent's layouts come from there. */
const struct aegis_key *const volatile layout_key;
const struct aegis_entry *const volatile layout_entry;
const struct aegis_rule *const volatile layout_rule;
const struct aegis_record *const volatile layout_record;
const enum aegis_kind *const volatile layout_kind;
const enum aegis_record_type *const volatile layout_record_type;
const enum aegis_op *const volatile layout_op;
const enum aegis_action *const volatile layout_action;
const enum aegis_backend *const volatile layout_backend;
const enum aegis_counter *const volatile layout_counter;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * The system calls of this architecture that open a file, set before loading: first execve and execveat, then those
 * that return a descriptor.
 */
#define EXEC_SYSCALLS 2
#define SYSCALLS 8
const volatile __u32 syscalls[SYSCALLS] = {};

/*
 * Every return of a program that may refuse. From 6.12 on the verifier checks the range of the value, and
 * without the barrier a compiler computes -EPERM from the condition in a way that it cannot follow.
 */
static __always_inline int answer(bool refuse)
{
	if (refuse) {
		asm volatile("" ::: "memory");
		return -EPERM;
	}
	return 0;
}

static __always_inline int open_slow(struct file *file, __u32 backend)
{
	__u32 ops = open_ops(file->f_flags, file->f_mode), live = live_word();
	struct inode *inode = file->f_inode;
	__u64 ino = inode->i_ino, verdict = 0, acted, as;

	if (control.moved)
		settle((__u64)BPF_CORE_READ(file, f_path.dentry));
	if (state.file_filter[live & AEGIS_LIVE_SET][filter_slot(ino, AEGIS_FILE_FILTER_BITS)])
		verdict = judge_file(ino, tail_of(inode), ops, live);
	if (live & AEGIS_LIVE_SUBTREES && verdict_action(verdict) != AEGIS_DENY) {
		struct dentry *dentry = file->f_path.dentry;

		/* until 6.6 overlayfs opens the real inode under the merged name */
		verdict = stronger(verdict, dentry->d_inode == inode || !HAS_ALIASES ?
					    judge_above(dentry, ops, live) :
					    judge_above_at(alias_of(inode), ops, live));
	}
	if (!verdict)
		return 0;
	as = how(verdict, ops, backend, 0, live);
	acted = act(ino, tail_of(inode), as);
	if (acted & ACT_SEND) {
		if (HAS_TYPED_TASK)
			send_typed(file, as, acted);
		else
			send((__u64)BPF_CORE_READ(file, f_inode), (__u64)BPF_CORE_READ(file, f_path.dentry),
			     (__u64)BPF_CORE_READ(file, f_path.mnt), as, acted);
	}
	return answer(acted & ACT_REFUSE);
}

/*
 * The open path of the whole host. On overlayfs the hook runs twice, for the merged inode and for the real one:
 * f_inode is right both times, f_path.dentry->d_inode is not.
 */
static __always_inline int on_open(struct file *file, __u32 backend)
{
	__u64 ino = file->f_inode->i_ino;
	/* live in the low half, moved in the high half: one load */
	__u64 word = *(volatile __u64 *)&control.live;

	if (!state.file_filter[word & AEGIS_LIVE_SET][filter_slot(ino, AEGIS_FILE_FILTER_BITS)] &&
	    !(word & (0xffffffff00000000ull | AEGIS_LIVE_SUBTREES | AEGIS_LIVE_CONFIRM)))
		return 0;
	return open_slow(file, backend);
}

SEC("lsm/file_open")
int BPF_PROG(lsm_file_open, struct file *file, int ret)
{
	return ret ? ret : on_open(file, AEGIS_BACKEND_LSM);
}

SEC("fmod_ret/security_file_open")
int BPF_PROG(fmod_file_open, struct file *file, int ret)
{
	return ret ? ret : on_open(file, AEGIS_BACKEND_FMOD_RET);
}

SEC("fentry/security_file_open")
int BPF_PROG(fentry_file_open, struct file *file)
{
	on_open(file, AEGIS_BACKEND_FENTRY);
	return 0;
}

/* An operation on what is behind untyped pointers, of which mnt may be 0. */
static __always_inline int on_object(__u64 inode_address, __u64 dentry, __u64 mnt, __u32 ops, __u32 backend,
				     __u32 flags)
{
	struct inode *inode = (void *)inode_address;
	__u64 verdict, acted, as;
	__u32 live = live_word();

	if (!inode)
		return 0;
	if (backend != AEGIS_BACKEND_TRACEPOINT && control.moved)
		settle(dentry);
	verdict = judge_object(inode_address, dentry, ops, live);
	if (!verdict)
		return 0;
	as = how(verdict, ops, backend, flags, live);
	acted = act(BPF_CORE_READ(inode, i_ino), tail_at(inode), as);
	if (acted & ACT_SEND)
		send(inode_address, dentry, mnt, as, acted);
	return answer(acted & ACT_REFUSE);
}

/* An operation on a file behind a pointer that may be NULL. */
static __always_inline int on_file(struct file *file, __u32 ops, __u32 backend)
{
	return on_object((__u64)BPF_CORE_READ(file, f_inode), (__u64)BPF_CORE_READ(file, f_path.dentry),
			 (__u64)BPF_CORE_READ(file, f_path.mnt), ops, backend,
			 backend == AEGIS_BACKEND_TRACEPOINT ? AEGIS_PATH_ARGUMENT : 0);
}

/* The caller's open file behind a descriptor; NULL where there is none. */
static __always_inline struct file *file_of(__u64 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file *file = NULL, **fds;

	if (fd >= BPF_CORE_READ(task, files, fdt, max_fds))
		return NULL;
	fds = BPF_CORE_READ(task, files, fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), fds + fd);
	return file;
}

static __always_inline __u32 syscall_number(void *regs)
{
	if (bpf_core_field_exists(struct pt_regs___x86_64, orig_ax))
		return BPF_CORE_READ((struct pt_regs___x86_64 *)regs, orig_ax);
	return BPF_CORE_READ((struct pt_regs___arm64 *)regs, syscallno);
}

/*
 * The fallback sees a call when it returns, with the file that it really opened: exact, whatever the name was
 * (relative, symbolic link, chroot), but too late to refuse.
 */
SEC("raw_tp/sys_exit")
int tp_sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 number, ops, i;
	__u64 ret = ctx->args[1];
	struct file *file;

	if (ret > 0x7fffffff)
		return 0;
	number = syscall_number((void *)ctx->args[0]);
	for (i = 0; i < SYSCALLS; i++)
		if (syscalls[i] == number)
			break;
	if (i == SYSCALLS)
		return 0;
	if (i < EXEC_SYSCALLS) {
		file = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), mm, exe_file);
		ops = OP_BIT(EXEC);
	} else {
		file = file_of(ret);
		ops = open_ops(0, BPF_CORE_READ(file, f_mode));
	}
	if (!file || BPF_CORE_READ(file, f_flags) & O_PATH)
		return 0;
	return on_file(file, ops, AEGIS_BACKEND_TRACEPOINT);
}

/*
 * Tells the agent what the kernel takes a file for: it opens the file with O_PATH and runs this with the
 * descriptor (BPF_PROG_TEST_RUN), so nothing is attached and no other process pays. stat's own numbers would not
 * do: btrfs and overlayfs show other devices there, and no generation. With levels, the second argument, it tells
 * the directory so many dentries above the file, as rules of subtrees see it: beyond the root of a bind mount, where
 * no path leads. There is no answer above the file system's root.
 */
SEC("raw_tp")
int tell_identity(struct bpf_raw_tracepoint_args *ctx)
{
	struct file *file = file_of(ctx->args[0]);
	__u64 levels = ctx->args[1];
	struct dentry *dentry;
	struct inode *inode;
	__u64 i;

	if (!file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	dentry = BPF_CORE_READ(file, f_path.dentry);
	for (i = 0; i < WALK_LEVELS && i < levels; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (parent == dentry)
			return 0;
		dentry = parent;
		inode = BPF_CORE_READ(dentry, d_inode);
	}
	note_identity(&state.told.id, BPF_CORE_READ(inode, i_ino), tail_at(inode));
	state.told_magic = BPF_CORE_READ(inode, i_sb, s_magic);
	state.told.mode = BPF_CORE_READ(inode, i_mode);
	state.told.nlink = BPF_CORE_READ(inode, i_nlink);
	state.told.seen++;
	return 0;
}

/*
 * Adds to the counters below AEGIS_LEARNT what the programs of another schema had counted, one argument each. Run by
 * hand (BPF_PROG_TEST_RUN), because user space can only store a counter, and programs go on counting.
 */
SEC("raw_tp")
int add_counts(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *here = counters_here();

	if (!here)
		return 0;
	__sync_fetch_and_add(&here[AEGIS_DENIED], ctx->args[AEGIS_DENIED]);
	__sync_fetch_and_add(&here[AEGIS_AUDITED], ctx->args[AEGIS_AUDITED]);
	__sync_fetch_and_add(&here[AEGIS_EMITTED], ctx->args[AEGIS_EMITTED]);
	__sync_fetch_and_add(&here[AEGIS_DELIVERED], ctx->args[AEGIS_DELIVERED]);
	__sync_fetch_and_add(&here[AEGIS_COALESCED], ctx->args[AEGIS_COALESCED]);
	__sync_fetch_and_add(&here[AEGIS_DROPPED_RING_FULL], ctx->args[AEGIS_DROPPED_RING_FULL]);
	__sync_fetch_and_add(&here[AEGIS_UNTRACKED_RULE], ctx->args[AEGIS_UNTRACKED_RULE]);
	__sync_fetch_and_add(&here[AEGIS_UNTRACKED_FLOW], ctx->args[AEGIS_UNTRACKED_FLOW]);
	return 0;
}

#include "hooks.h"
