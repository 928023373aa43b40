/* ops_uring.c - file operations submitted through io_uring, by raw system calls. */
#define _GNU_SOURCE
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Submits one entry and returns its result, as the kernel put it into the completion: a value or -errno. */
static int submit_one(const struct io_uring_sqe *sqe, unsigned int setup_flags)
{
	struct io_uring_params p = {.flags = setup_flags, .sq_thread_idle = 1000};
	int ring = step("io_uring_setup", syscall(SYS_io_uring_setup, 2, &p));
	size_t sq_size = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	size_t cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	char *sq = mmap(NULL, sq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	char *cq = mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	struct io_uring_sqe *sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	unsigned int enter = IORING_ENTER_GETEVENTS, *tail, *array;
	struct io_uring_cqe *cqe;

	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		setup_failed("io_uring_mmap");
	sqes[0] = *sqe;
	array = (unsigned int *)(sq + p.sq_off.array);
	array[0] = 0;
	tail = (unsigned int *)(sq + p.sq_off.tail);
	__atomic_store_n(tail, 1, __ATOMIC_RELEASE);
	if (setup_flags & IORING_SETUP_SQPOLL)
		enter |= IORING_ENTER_SQ_WAKEUP;
	step("io_uring_enter", syscall(SYS_io_uring_enter, ring, 1, 1, enter, NULL, 0));
	cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	return cqe->res;
}

static int result(int res)
{
	if (res >= 0)
		close(res);
	return res < 0 ? res : 0;
}

static int open_sqe(const char *file, unsigned char sqe_flags, unsigned int setup_flags)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_OPENAT,
		.flags = sqe_flags,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)file,
		.open_flags = O_RDONLY | O_CLOEXEC,
	};

	return result(submit_one(&sqe, setup_flags));
}

static int uring_open(char **a) { return open_sqe(a[0], 0, 0); }
static int uring_open_async(char **a) { return open_sqe(a[0], IOSQE_ASYNC, 0); }
static int uring_open_sqpoll(char **a) { return open_sqe(a[0], 0, IORING_SETUP_SQPOLL); }

static int uring_openat2(char **a)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_OPENAT2,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)a[0],
		.len = sizeof(how),
		.off = (uintptr_t)&how,
	};

	return result(submit_one(&sqe, 0));
}

static int uring_unlink(char **a)
{
	struct io_uring_sqe sqe = {.opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = (uintptr_t)a[0]};
	int res = submit_one(&sqe, 0);

	return res < 0 ? res : 0;
}

static int two_names(unsigned char opcode, char **a)
{
	struct io_uring_sqe sqe = {
		.opcode = opcode,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)a[0],
		.len = (unsigned int)AT_FDCWD,
		.off = (uintptr_t)a[1],
	};
	int res = submit_one(&sqe, 0);

	return res < 0 ? res : 0;
}

static int uring_rename(char **a) { return two_names(IORING_OP_RENAMEAT, a); }
static int uring_link(char **a) { return two_names(IORING_OP_LINKAT, a); }

const struct op uring_ops[] = {
	{"uring-open", 1, "FILE", uring_open},
	{"uring-open-async", 1, "FILE (IOSQE_ASYNC: by a worker)", uring_open_async},
	{"uring-open-sqpoll", 1, "FILE (by the ring's own kernel thread)", uring_open_sqpoll},
	{"uring-openat2", 1, "FILE", uring_openat2},
	{"uring-unlink", 1, "FILE", uring_unlink},
	{"uring-rename", 2, "FROM TO", uring_rename},
	{"uring-link", 2, "FILE NAME", uring_link},
	{0},
};
