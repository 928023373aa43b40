/* ops_name.c - operations on names and on what an inode carries besides its data. */
#define _GNU_SOURCE
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RESULT(call) ((call) ? -errno : 0)

static int do_unlink(char **a) { return RESULT(unlink(a[0])); }
static int do_rmdir(char **a) { return RESULT(rmdir(a[0])); }
static int do_mkdir(char **a) { return RESULT(mkdir(a[0], 0755)); }
static int do_rename(char **a) { return RESULT(rename(a[0], a[1])); }
static int exchange(char **a) { return RESULT(renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_EXCHANGE)); }
static int noreplace(char **a) { return RESULT(renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_NOREPLACE)); }
static int whiteout(char **a) { return RESULT(renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_WHITEOUT)); }
static int do_link(char **a) { return RESULT(link(a[0], a[1])); }
static int link_follow(char **a) { return RESULT(linkat(AT_FDCWD, a[0], AT_FDCWD, a[1], AT_SYMLINK_FOLLOW)); }
static int do_symlink(char **a) { return RESULT(symlink(a[0], a[1])); }
static int do_mkfifo(char **a) { return RESULT(mkfifo(a[0], 0600)); }

static int mknod_null(char **a) { return RESULT(mknod(a[0], S_IFCHR | 0666, makedev(1, 3))); }

static int link_empty(char **a)
{
	int fd = step("open-path", open(a[0], O_PATH | O_CLOEXEC));

	return RESULT(linkat(fd, "", AT_FDCWD, a[1], AT_EMPTY_PATH));
}

static int link_proc(char **a)
{
	char name[64];
	int fd = step("open-path", open(a[0], O_PATH | O_CLOEXEC));

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return RESULT(linkat(AT_FDCWD, name, AT_FDCWD, a[1], AT_SYMLINK_FOLLOW));
}

/* A file without a name that then takes one, as careful writers make theirs. */
static int link_tmpfile(char **a)
{
	int fd = step("open-tmpfile", open(a[0], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));

	return RESULT(linkat(fd, "", AT_FDCWD, a[1], AT_EMPTY_PATH));
}

const struct op name_ops[] = {
	{"unlink", 1, "FILE", do_unlink},
	{"rmdir", 1, "DIR", do_rmdir},
	{"mkdir", 1, "DIR", do_mkdir},
	{"rename", 2, "FROM TO", do_rename},
	{"rename-exchange", 2, "A B", exchange},
	{"rename-noreplace", 2, "FROM TO", noreplace},
	{"rename-whiteout", 2, "FROM TO", whiteout},
	{"link", 2, "FILE NAME", do_link},
	{"link-follow", 2, "SYMLINK NAME", link_follow},
	{"link-empty-path", 2, "FILE NAME (O_PATH and AT_EMPTY_PATH)", link_empty},
	{"link-proc-fd", 2, "FILE NAME (O_PATH and /proc/self/fd/N)", link_proc},
	{"link-tmpfile", 2, "DIR NAME", link_tmpfile},
	{"symlink", 2, "TARGET NAME", do_symlink},
	{"mkfifo", 1, "FILE", do_mkfifo},
	{"mknod-null", 1, "FILE", mknod_null},
	{0},
};

static int do_truncate(char **a) { return RESULT(truncate(a[0], 0)); }
static int do_chmod(char **a) { return RESULT(chmod(a[0], (mode_t)strtol(a[1], NULL, 8))); }
static int do_chown(char **a) { return RESULT(lchown(a[0], (uid_t)atol(a[1]), (gid_t)-1)); }
static int do_utimes(char **a) { return RESULT(utimes(a[0], NULL)); }
static int do_getxattr(char **a) { return getxattr(a[0], a[1], NULL, 0) < 0 ? -errno : 0; }
static int do_setxattr(char **a) { return RESULT(setxattr(a[0], a[1], a[2], strlen(a[2]), 0)); }
static int do_removexattr(char **a) { return RESULT(removexattr(a[0], a[1])); }
static int do_access(char **a) { return RESULT(access(a[0], F_OK)); }
static int do_readdir(char **a) { return try_open(AT_FDCWD, a[0], O_RDONLY | O_DIRECTORY); }

static int do_stat(char **a)
{
	struct stat st;

	return RESULT(stat(a[0], &st));
}

/* The access control list that is no more than mode 0644, and a user who may read. */
static int set_acl(char **a)
{
	static const struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[5];
	} acl = {
		{POSIX_ACL_XATTR_VERSION},
		{{0x01, 6, ~0u}, {0x02, 4, 1000}, {0x04, 4, ~0u}, {0x10, 4, ~0u}, {0x20, 4, ~0u}},
	};

	return RESULT(setxattr(a[0], "system.posix_acl_access", &acl, sizeof(acl), 0));
}

static int do_ftruncate(char **a)
{
	int fd = step("open-rdwr", open(a[0], O_RDWR | O_CLOEXEC));

	return RESULT(ftruncate(fd, 0));
}

/* An open for reading is enough to change a mode, owner or attribute by descriptor. */
static int do_fchmod(char **a)
{
	int fd = step("open-read", open(a[0], O_RDONLY | O_CLOEXEC));

	return RESULT(fchmod(fd, (mode_t)strtol(a[1], NULL, 8)));
}

/* An O_PATH descriptor is not an open; its /proc name leads chmod to the file all the same. */
static int chmod_proc(char **a)
{
	char name[64];
	int fd = step("open-path", open(a[0], O_PATH | O_CLOEXEC));

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return RESULT(chmod(name, (mode_t)strtol(a[1], NULL, 8)));
}

const struct op attr_ops[] = {
	{"truncate", 1, "FILE", do_truncate},
	{"ftruncate", 1, "FILE", do_ftruncate},
	{"chmod", 2, "FILE MODE", do_chmod},
	{"fchmod", 2, "FILE MODE", do_fchmod},
	{"chmod-proc-fd", 2, "FILE MODE (O_PATH and /proc/self/fd/N)", chmod_proc},
	{"chown", 2, "FILE UID", do_chown},
	{"utimes", 1, "FILE", do_utimes},
	{"getxattr", 2, "FILE NAME", do_getxattr},
	{"setxattr", 3, "FILE NAME VALUE", do_setxattr},
	{"set-acl", 1, "FILE", set_acl},
	{"removexattr", 2, "FILE NAME", do_removexattr},
	{"stat", 1, "FILE", do_stat},
	{"access", 1, "FILE", do_access},
	{"readdir", 1, "DIR", do_readdir},
	{0},
};
