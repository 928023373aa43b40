/* act.h - what the files of `act` share; see act.c for what the program is. */
#ifndef ACT_H
#define ACT_H

#include <stdint.h>

/*
 * An operation returns 0 when the kernel allowed it and -errno when it refused it. Whatever must work before the operation under
 * test can be tried is a step: a step that fails ends the process through setup_failed(), so that its EPERM is never taken for
 * the answer.
 */
struct op {
	const char *name;
	int args; /* how many it needs at least */
	const char *usage;
	int (*run)(char **args);
};

extern const struct op open_ops[], fd_ops[], uring_ops[], exec_ops[], name_ops[], attr_ops[], view_ops[], load_ops[];

/* Prints `setup STEP ERRNO` for errno and exits 2. */
_Noreturn void setup_failed(const char *step);
/* Returns `result` if it is not negative, else ends the process through setup_failed(). */
int step(const char *what, long result);
/* The symbolic name of a positive errno, e.g. "EPERM". */
const char *errno_name(int error);

/* Opens and closes `path`; 0 or -errno. */
int try_open(int dirfd, const char *path, int flags);
/* Closes `fd` if it is one; 0 or -errno of the call that made it. */
int closed(int fd);
/* Monotonic time in milliseconds. */
int64_t now_ms(void);
/* Leaves the calling process's mount namespace for a private copy. */
void own_mounts(void);
/* Moves the calling process into the cgroup at `dir`. */
void join_cgroup(const char *dir);

/* A line of results that is more than ok or an errno; printed in place of it. */
extern char report[256];

#endif
