/* ops_open.c - ways to open a file by its name, and by what a process already holds of it. */
#define _GNU_SOURCE
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_read(char **a) { return try_open(AT_FDCWD, a[0], O_RDONLY); }
static int open_write(char **a) { return try_open(AT_FDCWD, a[0], O_WRONLY); }
static int open_rdwr(char **a) { return try_open(AT_FDCWD, a[0], O_RDWR); }
static int open_append(char **a) { return try_open(AT_FDCWD, a[0], O_WRONLY | O_APPEND); }
static int open_trunc(char **a) { return try_open(AT_FDCWD, a[0], O_WRONLY | O_TRUNC); }
static int read_trunc(char **a) { return try_open(AT_FDCWD, a[0], O_RDONLY | O_TRUNC); }
static int open_create(char **a) { return try_open(AT_FDCWD, a[0], O_WRONLY | O_CREAT); }
static int open_excl(char **a) { return try_open(AT_FDCWD, a[0], O_WRONLY | O_CREAT | O_EXCL); }
static int open_nonblock(char **a) { return try_open(AT_FDCWD, a[0], O_RDONLY | O_NONBLOCK); }
static int open_path(char **a) { return try_open(AT_FDCWD, a[0], O_PATH); }
static int open_dir(char **a) { return try_open(AT_FDCWD, a[0], O_RDONLY | O_DIRECTORY); }
static int do_creat(char **a) { return closed(creat(a[0], 0600)); }

/* open(2) and creat(2) proper: the C library makes both into openat(2), and newer architectures have only that */
#ifndef SYS_open
#define SYS_open -1
#define SYS_creat -1
#endif
static int open_legacy(char **a) { return closed((int)syscall(SYS_open, a[0], O_RDONLY | O_CLOEXEC, 0)); }
static int creat_legacy(char **a) { return closed((int)syscall(SYS_creat, a[0], 0600)); }

/* Each time the next of so many files: PREFIX0, PREFIX1, ... */
static int open_next(char **a)
{
	static long next;
	char path[4096];

	snprintf(path, sizeof(path), "%s%ld", a[0], next++ % atol(a[1]));
	return try_open(AT_FDCWD, path, O_RDONLY);
}

static int open_at(char **a)
{
	int dir = step("open-dir", open(a[0], O_PATH | O_DIRECTORY | O_CLOEXEC));

	return try_open(dir, a[1], O_RDONLY);
}

static int open_chdir(char **a)
{
	step("chdir", chdir(a[0]));
	return try_open(AT_FDCWD, a[1], O_RDONLY);
}

static int openat2_with(int dirfd, const char *path, const char *resolve)
{
	static const struct { const char *name; uint64_t bit; } names[] = {
		{"none", 0}, {"no-symlinks", RESOLVE_NO_SYMLINKS}, {"beneath", RESOLVE_BENEATH},
		{"in-root", RESOLVE_IN_ROOT}, {"no-xdev", RESOLVE_NO_XDEV}, {"no-magiclinks", RESOLVE_NO_MAGICLINKS},
	};
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
	size_t i = 0;

	while (i < sizeof(names) / sizeof(names[0]) && strcmp(names[i].name, resolve))
		i++;
	if (i == sizeof(names) / sizeof(names[0])) {
		errno = EINVAL;
		setup_failed("resolve-flag");
	}
	how.resolve = names[i].bit;
	return closed((int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
}

static int do_openat2(char **a) { return openat2_with(AT_FDCWD, a[0], a[1] ? a[1] : "none"); }

static int openat2_at(char **a)
{
	int dir = step("open-dir", open(a[0], O_PATH | O_DIRECTORY | O_CLOEXEC));

	return openat2_with(dir, a[1], a[2]);
}

static int read_text(char **a)
{
	char buffer[4096];
	ssize_t n;
	int fd = open(a[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, buffer, sizeof(buffer) - 1);
	close(fd);
	if (n < 0)
		return -errno;
	buffer[n] = 0;
	buffer[strcspn(buffer, "\n")] = 0;
	snprintf(report, sizeof(report), "read %.200s", buffer);
	return 0;
}

const struct op open_ops[] = {
	{"open-read", 1, "FILE", open_read},
	{"open-write", 1, "FILE", open_write},
	{"open-rdwr", 1, "FILE", open_rdwr},
	{"open-append", 1, "FILE", open_append},
	{"open-trunc", 1, "FILE", open_trunc},
	{"open-read-trunc", 1, "FILE", read_trunc},
	{"open-create", 1, "FILE", open_create},
	{"open-excl", 1, "FILE", open_excl},
	{"open-nonblock", 1, "FILE", open_nonblock},
	{"open-path", 1, "FILE", open_path},
	{"open-dir", 1, "DIR", open_dir},
	{"open-legacy", 1, "FILE", open_legacy},
	{"creat", 1, "FILE", do_creat},
	{"creat-legacy", 1, "FILE", creat_legacy},
	{"open-next", 2, "PREFIX COUNT (of PREFIX0 to PREFIX(COUNT - 1), in turn)", open_next},
	{"openat", 2, "DIR NAME", open_at},
	{"open-chdir", 2, "DIR NAME", open_chdir},
	{"openat2", 1, "FILE [none|no-symlinks|beneath|in-root|no-xdev|no-magiclinks]", do_openat2},
	{"openat2-at", 3, "DIR NAME RESOLVE", openat2_at},
	{"read-text", 1, "FILE (prints `read TEXT`)", read_text},
	{0},
};

static int reopen(const char *file, int how, int again)
{
	char link[64];
	int fd = step("first-open", open(file, how | O_CLOEXEC));

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return try_open(AT_FDCWD, link, again);
}

static int reopen_path(char **a) { return reopen(a[0], O_PATH, O_RDONLY); }
static int reopen_path_write(char **a) { return reopen(a[0], O_PATH, O_WRONLY); }
static int reopen_read(char **a) { return reopen(a[0], O_RDONLY, O_RDWR); }

/* Through another process's descriptor table: the child holds an O_PATH descriptor, the parent opens /proc/CHILD/fd/N. */
static int reopen_peer(char **a)
{
	int fd = step("first-open", open(a[0], O_PATH)), rc;
	char link[64];
	pid_t child = step("fork", fork());

	if (child == 0)
		for (;;)
			pause();
	close(fd);
	snprintf(link, sizeof(link), "/proc/%d/fd/%d", child, fd);
	rc = try_open(AT_FDCWD, link, O_RDONLY);
	kill(child, 9);
	waitpid(child, NULL, 0);
	return rc;
}

static int by_handle(char **a)
{
	struct { struct file_handle h; unsigned char bytes[MAX_HANDLE_SZ]; } handle = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount_id, dir;

	step("name_to_handle_at", name_to_handle_at(AT_FDCWD, a[0], &handle.h, &mount_id, 0));
	dir = step("open-mount", open(a[1] ? a[1] : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	return closed(open_by_handle_at(dir, &handle.h, O_RDONLY | O_CLOEXEC));
}

static void send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (sendmsg(socket, &msg, 0) < 0)
		setup_failed("sendmsg");
}

/* Receives a descriptor that a process in the cgroup at a[1] opened; a refusing kernel hands over none, without an errno. */
static int receive_fd(char **a)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int pair[2], fd, status;
	pid_t child;

	step("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	child = step("fork", fork());
	if (child == 0) {
		join_cgroup(a[1]);
		send_fd(pair[0], step("sender-open", open(a[0], O_RDONLY | O_CLOEXEC)));
		_exit(0);
	}
	close(pair[0]);
	waitpid(child, &status, 0);
	if (status)
		_exit(2);
	step("recvmsg", recvmsg(pair[1], &msg, 0));
	if (msg.msg_flags & MSG_CTRUNC || !CMSG_FIRSTHDR(&msg))
		return -EPERM;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return read(fd, &byte, 1) < 0 ? -errno : 0;
}

static int socket_address(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		setup_failed("socket-path");
	}
	strcpy(address->sun_path, path);
	return step("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int sock_bind(char **a)
{
	struct sockaddr_un address;
	int s = socket_address(a[0], &address);

	return bind(s, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

static int sock_connect(char **a)
{
	struct sockaddr_un address;
	int s = socket_address(a[0], &address);

	return connect(s, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

static int map_file(const char *file, int protection)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, 4096, protection, MAP_PRIVATE, fd, 0);
	return p == MAP_FAILED ? -errno : 0;
}

static int mmap_read(char **a) { return map_file(a[0], PROT_READ); }
static int mmap_exec(char **a) { return map_file(a[0], PROT_READ | PROT_EXEC); }

/* A personality in which memory that can be read can be executed: what is asked for is a mapping for reading. */
static int mmap_implied_exec(char **a)
{
	step("personality", personality(READ_IMPLIES_EXEC));
	return map_file(a[0], PROT_READ);
}

static int mprotect_exec(char **a)
{
	int fd = open(a[0], O_RDONLY | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		setup_failed("mmap");
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) ? -errno : 0;
}

const struct op fd_ops[] = {
	{"reopen-path", 1, "FILE (O_PATH, then /proc/self/fd/N for reading)", reopen_path},
	{"reopen-path-write", 1, "FILE (O_PATH, then /proc/self/fd/N for writing)", reopen_path_write},
	{"reopen-read", 1, "FILE (for reading, then /proc/self/fd/N for both)", reopen_read},
	{"reopen-peer", 1, "FILE (O_PATH in a child, then /proc/CHILD/fd/N)", reopen_peer},
	{"handle", 1, "FILE [MOUNT] (name_to_handle_at, open_by_handle_at)", by_handle},
	{"receive-fd", 2, "FILE SENDER_CGROUP", receive_fd},
	{"sock-bind", 1, "FILE", sock_bind},
	{"sock-connect", 1, "FILE", sock_connect},
	{"mmap-read", 1, "FILE", mmap_read},
	{"mmap-exec", 1, "FILE", mmap_exec},
	{"mmap-implied-exec", 1, "FILE (READ_IMPLIES_EXEC)", mmap_implied_exec},
	{"mprotect-exec", 1, "FILE", mprotect_exec},
	{0},
};
