/*
 * act - try one file operation as a workload would and print what the kernel said.
 *
 *   act [--cgroup DIR] [--uid N] [--repeat N | --for MS | --until FILE] OP ARGS... [-- [options] OP ARGS...]...
 *
 * One line for each operation: `ok`, the errno's name (`EPERM`), `exit N` or `signal N` of a program that was executed, a report
 * (`ok=3 EPERM=7` where it was repeated), or `setup STEP ERRNO` where the operation could not be tried at all. Exit status: 0 all ok, 1
 * some were not, 2 a step before the operation failed or the usage was wrong.
 *
 * Each operation runs in a child of its own, so that one can change its root, namespaces or user without harm to the next.
 */
#define _GNU_SOURCE
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct op *const tables[] = {open_ops, fd_ops, uring_ops, exec_ops, name_ops, attr_ops, view_ops, load_ops};

char report[256];

const char *errno_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "EUNKNOWN";
}

void setup_failed(const char *step)
{
	printf("setup %s %s\n", step, errno_name(errno));
	fflush(stdout);
	_exit(2);
}

int step(const char *what, long result)
{
	if (result < 0)
		setup_failed(what);
	return (int)result;
}

int closed(int fd)
{
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int try_open(int dirfd, const char *path, int flags)
{
	return closed(openat(dirfd, path, flags | O_CLOEXEC, 0600));
}

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void own_mounts(void)
{
	step("unshare", unshare(CLONE_NEWNS));
	step("make-private", mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

void join_cgroup(const char *dir)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = step("open-cgroup.procs", open(path, O_WRONLY | O_CLOEXEC));
	step("join-cgroup", write(fd, "0", 1));
	close(fd);
}

#define NOGROUP 65534

static void drop_to(uid_t uid)
{
	step("setgroups", setgroups(0, NULL));
	step("setgid", setresgid(NOGROUP, NOGROUP, NOGROUP)); /* of another number: who takes one for the other is found out */
	step("setuid", setresuid(uid, uid, uid));
}

static const struct op *find(const char *name)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct op *op = tables[t]; op->name; op++)
			if (!strcmp(op->name, name))
				return op;
	return NULL;
}

static int usage(const char *problem, const char *subject)
{
	fprintf(stderr, "act: %s%s%s\nusage: act [--cgroup DIR] [--uid N] [--repeat N | --for MS | --until FILE] OP ARGS... [-- ...]\n", problem,
		subject ? " " : "", subject ? subject : "");
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct op *op = tables[t]; op->name; op++)
			fprintf(stderr, "  %s %s\n", op->name, op->usage);
	return 2;
}

struct request {
	const char *cgroup, *until;
	long uid, repeat, for_ms;
	const struct op *op;
	char **args;
};

/* Counts every outcome of a repeated operation: `ok=3 EPERM=7`. */
static int repeated(const struct request *r)
{
	static long outcomes[4096]; /* by errno; 0 is ok */
	int64_t end = now_ms() + r->for_ms;
	size_t used = 0;
	int bad = 0;

	for (long i = 0; r->repeat ? i < r->repeat : r->until ? access(r->until, F_OK) != 0 : now_ms() < end; i++) {
		int rc = r->op->run(r->args);

		outcomes[rc < 0 && rc > -4096 ? -rc : 0]++;
		if (r->until)
			usleep(1000); /* often enough to find a gap, and leaves the processor to the others */
	}
	for (int e = 0; e < 4096; e++) {
		if (!outcomes[e])
			continue;
		used += (size_t)snprintf(report + used, sizeof(report) - used, "%s%s=%ld", used ? " " : "", e ? errno_name(e) : "ok",
					 outcomes[e]);
		bad |= e != 0;
	}
	return bad ? 1 : 0;
}

static int perform(const struct request *r)
{
	int rc;

	if (r->cgroup)
		join_cgroup(r->cgroup);
	if (r->uid >= 0)
		drop_to((uid_t)r->uid);
	rc = r->repeat || r->for_ms || r->until ? repeated(r) : r->op->run(r->args);
	if (!report[0])
		snprintf(report, sizeof(report), "%s", rc < 0 ? errno_name(-rc) : "ok");
	puts(report);
	fflush(stdout);
	return rc ? 1 : 0;
}

/* Reads options, operation and arguments up to `--` or the end; returns how many words it took, or -1. */
static int parse(char **argv, struct request *r)
{
	int i = 0, first;

	*r = (struct request){.uid = -1};
	for (; argv[i] && !strncmp(argv[i], "--", 2) && argv[i][2] && argv[i + 1]; i += 2) {
		if (!strcmp(argv[i], "--cgroup"))
			r->cgroup = argv[i + 1];
		else if (!strcmp(argv[i], "--uid"))
			r->uid = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "--repeat"))
			r->repeat = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "--until"))
			r->until = argv[i + 1];
		else if (!strcmp(argv[i], "--for"))
			r->for_ms = atol(argv[i + 1]);
		else
			return usage("no option", argv[i]), -1;
	}
	if (!argv[i])
		return usage("an operation was expected", NULL), -1;
	r->op = find(argv[i]);
	if (!r->op)
		return usage("no operation", argv[i]), -1;
	r->args = argv + ++i;
	for (first = i; argv[i] && strcmp(argv[i], "--"); i++)
		;
	if (i - first < r->op->args)
		return usage("too few arguments for", r->op->name), -1;
	if (argv[i])
		argv[i++] = NULL;
	return i;
}

int main(int argc, char **argv)
{
	int worst = 0;

	if (argc < 2)
		return usage("an operation was expected", NULL);
	for (char **next = argv + 1; *next;) {
		struct request r;
		int status, used = parse(next, &r);
		pid_t child;

		if (used < 0)
			return 2;
		next += used;
		fflush(stdout);
		child = fork();
		if (child == 0)
			_exit(perform(&r));
		if (child < 0 || waitpid(child, &status, 0) < 0)
			setup_failed("fork");
		if (WIFSIGNALED(status))
			printf("signal %d\n", WTERMSIG(status));
		status = WIFSIGNALED(status) ? 1 : WEXITSTATUS(status);
		worst = status > worst ? status : worst;
	}
	return worst;
}
