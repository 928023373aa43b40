/*
 * open-cost - instructions for one open and close, in a guest whose clock advances 1 ns with each instruction (`vm run --icount`).
 *
 *   open-cost [--cgroup DIR] [--empty lsm|fmod_ret] same FILE [OPENS]     one file, again and again
 *   open-cost [...] each DIR                                              512 files in 8 directories, each once a round
 *   open-cost [...] fresh DIR                                             64 files a round that were never opened before
 *   open-cost tree DIR [COUNT]                                            makes DIR's files for `each` and `fresh`, or so many
 *
 * Prints `MEDIAN MIN MAX ok|ERRNO`, nanoseconds for one open (and close, where it opens), over the rounds without the first.
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

static void measure(char (*names)[64], int files, int opens, int fresh)
{
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
	}
	qsort(rounds + 1, ROUNDS - 1, sizeof(double), by_value);
	printf("%.0f %.0f %.0f %s\n", rounds[1 + (ROUNDS - 1) / 2], rounds[1], rounds[ROUNDS - 1],
	       outcome ? strerrorname_np(outcome) : "ok");
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

int main(int argc, char **argv)
{
	static char names[TREE][64];
	struct sched_param first = {.sched_priority = 1};
	struct stat st;
	int i = 1, tree;

	for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
		if (!strcmp(argv[i], "--cgroup"))
			join_cgroup(argv[i + 1]);
		else if (!strcmp(argv[i], "--empty"))
			attach_empty(argv[i + 1]);
	}
	if (i + 1 >= argc) {
		fprintf(stderr, "usage: open-cost [--cgroup DIR] [--empty lsm|fmod_ret] same|each|fresh|tree PATH\n");
		return 2;
	}
	if (!strcmp(argv[i], "tree"))
		return make_tree(argv[i + 1], argv[i + 2] ? atoi(argv[i + 2]) : TREE), 0;
	/* Nobody else runs between two readings of the clock; an agent reads its events after the round. */
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		die("SCHED_FIFO");
	tree = strcmp(argv[i], "same") != 0;
	for (int n = 0; n < (tree ? TREE : 1); n++) {
		if (tree)
			file_name(names[n], argv[i + 1], n);
		else
			snprintf(names[n], sizeof(names[n]), "%s", argv[i + 1]);
		if (stat(names[n], &st)) /* brings the name into the cache; no open */
			die(names[n]);
	}
	if (!tree)
		measure(names, 1, argv[i + 2] ? atoi(argv[i + 2]) : EACH, 0);
	else if (!strcmp(argv[i], "each"))
		measure(names, EACH, EACH, 0);
	else
		measure(names, FRESH * ROUNDS, FRESH, 1);
	return 0;
}
