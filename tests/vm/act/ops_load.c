/* ops_load.c - many operations in a row: floods for the counters, movers and readers for races. Use them with --for. */
#define _GNU_SOURCE
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Opens PREFIX0 .. PREFIX(COUNT-1), ROUNDS times over. */
static int open_many(char **a)
{
	long count = atol(a[1]), rounds = a[2] ? atol(a[2]) : 1, ok = 0, refused = 0, other = 0;
	char path[4096];

	for (long r = 0; r < rounds; r++) {
		for (long i = 0; i < count; i++) {
			int rc;

			snprintf(path, sizeof(path), "%s%ld", a[0], i);
			rc = try_open(AT_FDCWD, path, O_RDONLY);
			ok += rc == 0;
			refused += rc == -EPERM;
			other += rc != 0 && rc != -EPERM;
		}
	}
	snprintf(report, sizeof(report), "ok=%ld EPERM=%ld other=%ld", ok, refused, other);
	return ok == count * rounds ? 0 : 1;
}

/* Tries for MS milliseconds to read SECRET from each FILE in turn: `reads=N refused=N absent=N other=N leaks=N`. */
static int read_secret(char **a)
{
	int64_t end = now_ms() + atol(a[1]);
	long reads = 0, refused = 0, absent = 0, other = 0, leaks = 0;

	for (char **file = a + 2; now_ms() < end; file = file[1] ? file + 1 : a + 2) {
		char buffer[4096];
		ssize_t n;
		int fd = open(*file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0) {
			refused += errno == EPERM;
			absent += errno == ENOENT;
			other += errno != EPERM && errno != ENOENT;
			continue;
		}
		n = read(fd, buffer, sizeof(buffer));
		close(fd);
		reads++;
		leaks += n > 0 && memmem(buffer, (size_t)n, a[0], strlen(a[0])) != NULL;
	}
	snprintf(report, sizeof(report), "reads=%ld refused=%ld absent=%ld other=%ld leaks=%ld", reads, refused, absent, other, leaks);
	return leaks ? 1 : 0;
}

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -errno : 0;
}

static int do_put(char **a) { return put(a[0], a[1]); }

/* The atomic replacement of package managers and editors. */
static int replace(char **a)
{
	int rc = put(a[1], a[2]);

	if (rc)
		return rc;
	return rename(a[1], a[0]) ? -errno : 0;
}

static int recreate(char **a)
{
	if (unlink(a[0]) && errno != ENOENT)
		return -errno;
	return put(a[0], a[1]);
}

static int there_and_back(char **a)
{
	if (rename(a[0], a[1]))
		return -errno;
	return rename(a[1], a[0]) ? -errno : 0;
}

static int link_and_unlink(char **a)
{
	if (link(a[0], a[1]) && errno != EEXIST)
		return -errno;
	return unlink(a[1]) ? -errno : 0;
}

/* As the operation reopen-path, for a file that may be away: what is opened again is what stood there. */
static int hold_and_reopen(char **a)
{
	char link[64];
	int fd = open(a[0], O_PATH | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	rc = try_open(AT_FDCWD, link, O_RDONLY);
	close(fd);
	return rc;
}

/*
 * Opens FILE COUNT times with real-time priority, each time waking up in the midst of whatever TASKS others, which open a file
 * that no rule names, are doing: also inside a program that is attached to the open. `opened=N refused=N`.
 */
static int open_preempting(char **a)
{
	struct sched_param first = {.sched_priority = 1};
	long tasks = atol(a[1]), count = atol(a[2]), opened = 0, refused = 0;
	pid_t parent = getpid();

	for (long i = 0; i < tasks; i++) {
		if (step("fork", fork()))
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			try_open(AT_FDCWD, "/proc/self/exe", O_RDONLY);
		_exit(0);
	}
	step("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &first));
	prctl(PR_SET_TIMERSLACK, 1);
	for (long i = 0; i < count; i++) {
		/* of many lengths, or it would beat in time with the others */
		struct timespec pause = {0, 20000 + i * 37 % 30000};

		nanosleep(&pause, NULL);
		if (try_open(AT_FDCWD, a[0], O_RDONLY))
			refused++;
		else
			opened++;
	}
	snprintf(report, sizeof(report), "opened=%ld refused=%ld", opened, refused);
	return opened ? 1 : 0;
}

const struct op load_ops[] = {
	{"open-many", 2, "PREFIX COUNT [ROUNDS]", open_many},
	{"open-preempting", 3, "FILE TASKS COUNT", open_preempting},
	{"read-secret", 3, "SECRET MS FILE...", read_secret},
	{"put", 2, "FILE TEXT", do_put},
	{"replace", 3, "FILE TEMPORARY TEXT (write, rename over)", replace},
	{"recreate", 2, "FILE TEXT (unlink, create)", recreate},
	{"there-and-back", 2, "A B (rename A to B and B to A)", there_and_back},
	{"link-and-unlink", 2, "FILE NAME", link_and_unlink},
	{"hold-and-reopen", 1, "FILE", hold_and_reopen},
	{0},
};
