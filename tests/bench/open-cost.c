/*
 * open-cost - instructions for one open and close, in a guest whose clock advances 1 ns with each instruction (`vm run --icount`).
 *
 *   open-cost [--cgroup DIR] [--empty lsm|fmod_ret] same FILE [OPENS]     one file, again and again
 *   open-cost [...] each DIR                                              512 files in 8 directories, each once a round
 *   open-cost [...] fresh DIR                                             64 files a round that were never opened before
 *   open-cost [...] spaced PREFIX                                         64 files, each once a round, 1.1 s between rounds
 *   open-cost [...] chmod|rename|link|mmap FILE                           not an open: what another hook would see
 *   open-cost tree DIR [COUNT]                                            makes DIR's files for `each` and `fresh`, or so many
 *   open-cost flat PREFIX                                                 makes the files for `spaced`
 *
 * Prints `MEDIAN MIN MAX ok|ERRNO`, nanoseconds for one open (and close, where it opens) or operation (a rename there and
 * back, a link and its unlink, a mapping and its end), over the rounds without the first.
 * --empty attaches a program that only returns 0, by plain system calls, so that no compiler or library is asked for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 12
#define DIRS 8
#define EACH 512
#define FRESH 64
#define TREE (EACH > FRESH * ROUNDS ? EACH : FRESH * ROUNDS)

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "open-cost: %s: %s\n", what, strerror(errno));
	exit(2);
}

static size_t btf_tail(const struct btf_type *t)
{
	size_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case 19: /* BTF_KIND_ENUM64, newer than some headers */
		return n * 12;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return n * 8;
	default:
		return 0;
	}
}

/* The id of a function in the kernel's own type information. */
static uint32_t btf_function(const char *name)
{
	static char data[16 << 20];
	size_t size = 0;
	ssize_t n;
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY);
	struct btf_header *h = (void *)data;
	char *at, *end;

	if (fd < 0)
		die("/sys/kernel/btf/vmlinux");
	while ((n = read(fd, data + size, sizeof(data) - size)) > 0)
		size += (size_t)n;
	close(fd);
	at = data + h->hdr_len + h->type_off;
	end = at + h->type_len;
	for (uint32_t id = 1; at < end; id++) {
		struct btf_type *t = (void *)at;

		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC && !strcmp(data + h->hdr_len + h->str_off + t->name_off, name))
			return id;
		at += sizeof(*t) + btf_tail(t);
	}
	errno = ENOENT;
	die(name);
}

static void attach_empty(const char *backend)
{
	static char log[8192];
	int lsm = !strcmp(backend, "lsm"), fd;
	struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = lsm ? BPF_PROG_TYPE_LSM : BPF_PROG_TYPE_TRACING,
		.expected_attach_type = lsm ? BPF_LSM_MAC : BPF_MODIFY_RETURN,
		.insns = (uintptr_t)program,
		.insn_cnt = sizeof(program) / sizeof(program[0]),
		.license = (uintptr_t)"GPL",
		.attach_btf_id = btf_function(lsm ? "bpf_lsm_file_open" : "security_file_open"),
		.log_buf = (uintptr_t)log,
		.log_size = sizeof(log),
		.log_level = 1,
	};

	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0)
		die(log);
	attr = (union bpf_attr){.raw_tracepoint = {.prog_fd = (unsigned int)fd}};
	if (syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr)) < 0)
		die("attach"); /* the link goes with this process */
}

/* File `i` of a tree. Names of one length, so that all cost the same to look up. */
static void file_name(char *path, const char *dir, int i)
{
	sprintf(path, "%s/d%d/f%05d", dir, i % DIRS, i);
}

static void make_tree(const char *dir, int count)
{
	char path[4096];

	mkdir(dir, 0755);
	for (int i = 0; i < DIRS; i++) {
		snprintf(path, sizeof(path), "%s/d%d", dir, i);
		if (mkdir(path, 0755) && errno != EEXIST)
			die(path);
	}
	for (int i = 0; i < count; i++) {
		int fd;

		file_name(path, dir, i);
		fd = open(path, O_CREAT | O_WRONLY, 0644);
		if (fd < 0)
			die(path);
		close(fd);
	}
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_rounds(double *rounds, int outcome)
{
	qsort(rounds + 1, ROUNDS - 1, sizeof(double), by_value);
	printf("%.0f %.0f %.0f %s\n", rounds[1 + (ROUNDS - 1) / 2], rounds[1], rounds[ROUNDS - 1],
	       outcome ? strerrorname_np(outcome) : "ok");
}

static void measure(char (*names)[64], int files, int opens, int fresh, int spaced)
{
	const struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
	double rounds[ROUNDS];
	int outcome = 0;

	for (int r = 0; r < ROUNDS; r++) {
		int64_t start = now();

		for (int i = 0; i < opens; i++) {
			int fd = open(names[fresh ? r * opens + i : i % files], O_RDONLY);

			if (fd >= 0)
				close(fd);
			else
				outcome = errno;
		}
		rounds[r] = (double)(now() - start) / opens;
		if (spaced)
			nanosleep(&pause, NULL);
	}
	print_rounds(rounds, outcome);
}

/* Returns 0 or -1, as system calls do. */
static int operate(const char *operation, const char *path, const char *other, int fd)
{
	void *mapped;

	if (!strcmp(operation, "chmod"))
		return chmod(path, 0644);
	if (!strcmp(operation, "rename"))
		return rename(path, other) || rename(other, path) ? -1 : 0;
	if (!strcmp(operation, "link"))
		return link(path, other) || unlink(other) ? -1 : 0;
	mapped = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	return mapped == MAP_FAILED ? -1 : munmap(mapped, 4096);
}

static void measure_operation(const char *operation, const char *path)
{
	double rounds[ROUNDS];
	char other[4096];
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	snprintf(other, sizeof(other), "%s.other", path);
	for (int r = 0; r < ROUNDS; r++) {
		int64_t start = now();

		for (int i = 0; i < EACH; i++)
			if (operate(operation, path, other, fd))
				die(operation);
		rounds[r] = (double)(now() - start) / EACH;
	}
	close(fd);
	print_rounds(rounds, 0);
}

static void join_cgroup(const char *dir)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static void make_flat(const char *prefix)
{
	char path[4096];

	for (int i = 0; i < FRESH; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s%02d", prefix, i);
		fd = open(path, O_CREAT | O_WRONLY, 0644);
		if (fd < 0)
			die(path);
		close(fd);
	}
}

/* The names that a mode opens; returns how many. */
static int name_files(char (*names)[64], const char *mode, const char *path)
{
	struct stat st;
	int count = TREE;

	if (!strcmp(mode, "same"))
		count = 1;
	else if (!strcmp(mode, "spaced"))
		count = FRESH;
	for (int n = 0; n < count; n++) {
		if (count == 1)
			snprintf(names[n], sizeof(names[n]), "%s", path);
		else if (count == FRESH)
			snprintf(names[n], sizeof(names[n]), "%s%02d", path, n);
		else
			file_name(names[n], path, n);
		if (stat(names[n], &st)) /* brings the name into the cache; no open */
			die(names[n]);
	}
	return count;
}

int main(int argc, char **argv)
{
	static char names[TREE][64];
	struct sched_param first = {.sched_priority = 1};
	int i = 1, count;

	for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
		if (!strcmp(argv[i], "--cgroup"))
			join_cgroup(argv[i + 1]);
		else if (!strcmp(argv[i], "--empty"))
			attach_empty(argv[i + 1]);
	}
	if (i + 1 >= argc) {
		fprintf(stderr, "usage: open-cost [--cgroup DIR] [--empty lsm|fmod_ret] "
				"same|each|fresh|spaced|chmod|rename|link|mmap|tree|flat PATH\n");
		return 2;
	}
	if (!strcmp(argv[i], "tree"))
		return make_tree(argv[i + 1], argv[i + 2] ? atoi(argv[i + 2]) : TREE), 0;
	if (!strcmp(argv[i], "flat"))
		return make_flat(argv[i + 1]), 0;
	/* Nobody else runs between two readings of the clock; an agent reads its events after the round. */
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		die("SCHED_FIFO");
	if (!strchr("sef", argv[i][0]))
		return measure_operation(argv[i], argv[i + 1]), 0;
	count = name_files(names, argv[i], argv[i + 1]);
	if (count == 1)
		measure(names, 1, argv[i + 2] ? atoi(argv[i + 2]) : EACH, 0, 0);
	else if (count == FRESH)
		measure(names, FRESH, FRESH, 0, 1);
	else if (!strcmp(argv[i], "each"))
		measure(names, EACH, EACH, 0, 0);
	else
		measure(names, FRESH * ROUNDS, FRESH, 1, 0);
	return 0;
}
