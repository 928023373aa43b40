/* ops_view.c - opens of a file from another view of the file system: mounts, namespaces, roots. */
#define _GNU_SOURCE
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESULT(call) ((call) ? -errno : 0)

static int do_bind(char **a) { return RESULT(mount(a[0], a[1], NULL, MS_BIND, NULL)); }
static int do_umount(char **a) { return RESULT(umount2(a[0], MNT_DETACH)); }
static int do_mount(char **a) { return RESULT(mount(a[1], a[2], a[0], 0, a[3])); }

/* Mounts the file system in a file; the loop device goes with the mount. */
static int loop_mount(char **a)
{
	struct loop_info64 info = {.lo_flags = LO_FLAGS_AUTOCLEAR};
	int control = step("open-loop-control", open("/dev/loop-control", O_RDWR | O_CLOEXEC));
	int image = step("open-image", open(a[1], O_RDWR | O_CLOEXEC)), device;
	char path[32];

	snprintf(path, sizeof(path), "/dev/loop%d", step("LOOP_CTL_GET_FREE", ioctl(control, LOOP_CTL_GET_FREE)));
	device = step("open-loop", open(path, O_RDWR | O_CLOEXEC));
	step("LOOP_SET_FD", ioctl(device, LOOP_SET_FD, image));
	step("LOOP_SET_STATUS64", ioctl(device, LOOP_SET_STATUS64, &info));
	return RESULT(mount(path, a[2], a[0], 0, NULL));
}

static int subvolume(char **a)
{
	struct btrfs_ioctl_vol_args args = {0};
	int parent = step("open-dir", open(a[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	snprintf(args.name, sizeof(args.name), "%s", a[1]);
	return RESULT(ioctl(parent, BTRFS_IOC_SUBVOL_CREATE, &args));
}

static int snapshot(char **a)
{
	struct btrfs_ioctl_vol_args args = {.fd = step("open-dir", open(a[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC))};
	int parent = step("open-parent", open(a[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	snprintf(args.name, sizeof(args.name), "%s", a[2]);
	return RESULT(ioctl(parent, BTRFS_IOC_SNAP_CREATE, &args));
}

static int do_syncfs(char **a) { return RESULT(syncfs(step("open-dir", open(a[0], O_RDONLY | O_CLOEXEC)))); }

static int bind_open(char **a)
{
	own_mounts();
	step("bind", mount(a[0], a[1], NULL, MS_BIND, NULL));
	return try_open(AT_FDCWD, a[2], O_RDONLY);
}

static int namespace_open(char **a)
{
	own_mounts();
	return try_open(AT_FDCWD, a[0], O_RDONLY);
}

static int user_namespace_open(char **a)
{
	step("unshare-user", unshare(CLONE_NEWUSER | CLONE_NEWNS));
	return try_open(AT_FDCWD, a[0], O_RDONLY);
}

static int chroot_open(char **a)
{
	step("chroot", chroot(a[0]));
	step("chdir", chdir("/"));
	return try_open(AT_FDCWD, a[1], O_RDONLY);
}

/* What container runtimes do: the new root is mounted on itself, made the root, and the old one is let go. */
static int pivot_open(char **a)
{
	own_mounts();
	step("bind-root", mount(a[0], a[0], NULL, MS_BIND | MS_REC, NULL));
	step("chdir", chdir(a[0]));
	step("pivot_root", syscall(SYS_pivot_root, ".", "."));
	step("umount-old-root", umount2(".", MNT_DETACH));
	return try_open(AT_FDCWD, a[1], O_RDONLY);
}

/* A copy of a mount that is attached nowhere. */
static int tree_open(char **a)
{
	int tree = step("open_tree", syscall(SYS_open_tree, AT_FDCWD, a[0], 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC));

	return try_open(tree, a[1], O_RDONLY);
}

/* Removes the name in a private view by a mount over it, and opens the file through the directory that was held. */
static int overmount_open(char **a)
{
	int dir;

	own_mounts();
	dir = step("open-dir", open(a[0], O_PATH | O_DIRECTORY | O_CLOEXEC));
	step("mount-tmpfs", mount("none", a[0], "tmpfs", 0, NULL));
	return try_open(dir, a[1], O_RDONLY);
}

/* acct(2) has the kernel open the file for itself. */
static int acct_open(char **a)
{
	int rc = RESULT(acct(a[0]));

	if (!rc)
		step("acct-off", acct(NULL));
	return rc;
}

const struct op view_ops[] = {
	{"bind", 2, "FROM TO", do_bind},
	{"umount", 1, "DIR", do_umount},
	{"mount", 3, "TYPE SOURCE DIR [OPTIONS]", do_mount},
	{"loop-mount", 3, "TYPE IMAGE DIR", loop_mount},
	{"syncfs", 1, "DIR", do_syncfs},
	{"subvolume", 2, "DIR NAME (of btrfs)", subvolume},
	{"snapshot", 3, "SUBVOLUME DIR NAME (of btrfs)", snapshot},
	{"bind-open", 3, "FROM TO FILE (in a mount namespace of its own)", bind_open},
	{"namespace-open", 1, "FILE (in a mount namespace of its own)", namespace_open},
	{"user-namespace-open", 1, "FILE (in user and mount namespaces of its own)", user_namespace_open},
	{"chroot-open", 2, "ROOT FILE", chroot_open},
	{"pivot-open", 2, "ROOT FILE", pivot_open},
	{"tree-open", 2, "DIR NAME (open_tree, OPEN_TREE_CLONE)", tree_open},
	{"overmount-open", 2, "DIR NAME", overmount_open},
	{"acct", 1, "FILE", acct_open},
	{0},
};
