/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The text of a record: paths of files and of cgroups, as names from the last to the first. */
#ifndef AEGIS_TEXT_H
#define AEGIS_TEXT_H

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

/* Members that are neighbours in every kernel so far, and are then read at once: a read is a call. */
struct dentry_part {
	struct dentry *d_parent;
	struct name d_name;
};

struct mount_part {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct dentry *mnt_root;
};

static __always_inline void read_dentry(struct dentry_part *part, struct dentry *dentry)
{
	if (bpf_core_field_offset(struct dentry, d_name) == bpf_core_field_offset(struct dentry, d_parent) + 8) {
		bpf_core_read(part, sizeof(*part), &dentry->d_parent);
	} else {
		bpf_core_read(&part->d_parent, sizeof(part->d_parent), &dentry->d_parent);
		bpf_core_read(&part->d_name, sizeof(part->d_name), &dentry->d_name);
	}
}

static __always_inline void read_mount(struct mount_part *part, struct mount *mount)
{
	__u32 parent = bpf_core_field_offset(struct mount, mnt_parent);

	if (bpf_core_field_offset(struct mount, mnt_mountpoint) == parent + 8 &&
	    bpf_core_field_offset(struct mount, mnt.mnt_root) == parent + 16) {
		bpf_core_read(part, sizeof(*part), &mount->mnt_parent);
	} else {
		bpf_core_read(&part->mnt_parent, sizeof(part->mnt_parent), &mount->mnt_parent);
		bpf_core_read(&part->mnt_mountpoint, sizeof(part->mnt_mountpoint), &mount->mnt_mountpoint);
		bpf_core_read(&part->mnt_root, sizeof(part->mnt_root), &mount->mnt.mnt_root);
	}
}

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
				 struct place *top)
{
	struct place here = { dentry, NULL, NULL };
	union {
		struct mount_part mount;
		struct dentry_part dentry;
	} part = {};
	int i;

	if (mnt) {
		here.mount = mount_of(mnt);
		here.root = BPF_CORE_READ(mnt, mnt_root);
	}
	/* every value comes from a helper, about which the verifier knows nothing: again, so that it prunes */
	bpf_probe_read_kernel(&here, sizeof(here), &here);
	for (i = 0; i < PATH_NAMES; i++) {
		if (here.dentry == top->dentry && here.mount == top->mount)
			return 0;
		if (here.dentry == here.root) {
			struct mount *mounted = here.mount, *above;

			read_mount(&part.mount, mounted);
			above = part.mount.mnt_parent;
			if (above == mounted)
				return 0;
			bpf_probe_read_kernel(&here.dentry, sizeof(here.dentry), &part.mount.mnt_mountpoint);
			bpf_probe_read_kernel(&here.mount, sizeof(here.mount), &part.mount.mnt_parent);
			bpf_core_read(&here.root, sizeof(here.root), &above->mnt.mnt_root);
		} else {
			struct dentry *child = here.dentry;

			read_dentry(&part.dentry, child);
			bpf_probe_read_kernel(&here.dentry, sizeof(here.dentry), &part.dentry.d_parent);
			if (here.dentry == child && !here.mount)
				return 0; /* the root of a file system; of no mount that is known */
			if (!write_name(record, part.dentry.d_name.text, part.dentry.d_name.len))
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

/* write_cgroup() through typed pointers. */
static __noinline int write_cgroup_typed(struct aegis_record *record, struct cgroup *cgrp)
{
	struct kernfs_node *kn = cgrp->kn;
	__u32 level = cgrp->level, i;

	for (i = 0; i < PATH_NAMES; i++) {
		__u32 at = *(volatile __u32 *)&record->text_len;
		long len;

		if (i >= level)
			return 0;
		if (at > AEGIS_TEXT)
			break;
		len = bpf_probe_read_kernel_str(record->text + at, NAME_ROOM, kn->name);
		if (len <= 0)
			break;
		record->text_len = at + len;
		kn = bpf_core_field_exists(struct kernfs_node, parent) ? kn->parent :
									 ((struct kernfs_node___rcu *)kn)->__parent;
	}
	record->flags |= AEGIS_TEXT_TRUNCATED;
	return 0;
}

/* write_path() through typed pointers, at less than half the cost; beyond the mount it goes on untyped. */
static __noinline int write_path_typed(struct aegis_record *record, struct dentry *dentry, struct vfsmount *mnt,
				       struct fs_struct *fs)
{
	struct dentry *root = mnt->mnt_root, *top = fs->root.dentry;
	struct vfsmount *top_mnt = fs->root.mnt;
	int i;

	for (i = 0; i < PATH_NAMES; i++) {
		struct dentry *parent = dentry->d_parent;

		if (dentry == top && mnt == top_mnt)
			return 0;
		if (dentry == root) {
			struct mount *mount = mount_of((void *)address_of(mnt)), *above;
			struct place limit = { (void *)address_of(top), mount_of((void *)address_of(top_mnt)), NULL };

			above = BPF_CORE_READ(mount, mnt_parent);
			if (above == mount)
				return 0;
			return write_path(record, BPF_CORE_READ(mount, mnt_mountpoint),
					  (void *)above + bpf_core_field_offset(struct mount, mnt), &limit);
		}
		if (!write_name(record, dentry->d_name.name, dentry->d_name.len))
			break;
		if (parent == dentry)
			return 0;
		dentry = parent;
	}
	record->flags |= AEGIS_TEXT_TRUNCATED;
	return 0;
}

#endif
