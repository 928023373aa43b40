/* ops_exec.c - ways to execute a file. The result is the execution's: ok when the program ended with 0. */
#define _GNU_SOURCE
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*exec_fn)(char **args);

/*
 * Runs `exec` in a child. A pipe that an exec closes carries the errno back, so a refused exec is told from a program that ran
 * and failed.
 */
static int executed(exec_fn exec, char **args)
{
	int pipe_fd[2], error = 0, status, null;
	pid_t child;

	step("pipe", pipe2(pipe_fd, O_CLOEXEC));
	child = step("fork", fork());
	if (child == 0) {
		null = step("open-null", open("/dev/null", O_RDWR));
		dup2(null, 1);
		dup2(null, 2);
		exec(args);
		error = errno;
		if (write(pipe_fd[1], &error, sizeof(error)) < 0)
			_exit(125);
		_exit(126);
	}
	close(pipe_fd[1]);
	if (read(pipe_fd[0], &error, sizeof(error)) < 0)
		setup_failed("read-pipe");
	close(pipe_fd[0]);
	step("wait", waitpid(child, &status, 0));
	if (error)
		return -error;
	if (WIFSIGNALED(status))
		snprintf(report, sizeof(report), "signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		snprintf(report, sizeof(report), "exit %d", WEXITSTATUS(status));
	return status ? 1 : 0;
}

static int by_name(char **a) { return execv(a[0], a); }

static int by_path_fd(char **a)
{
	int fd = step("open-path", open(a[0], O_PATH));

	return (int)syscall(SYS_execveat, fd, "", a, environ, AT_EMPTY_PATH);
}

static int by_proc_fd(char **a)
{
	char link[64];
	int fd = step("open-path", open(a[0], O_PATH));

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return execv(link, a);
}

static int at_dir(char **a)
{
	int dir = step("open-dir", open(a[0], O_PATH | O_DIRECTORY));

	return (int)syscall(SYS_execveat, dir, a[1], a + 1, environ, 0);
}

/* A copy of the file in memory: what is asked of the file itself is only a read. */
static int by_memfd(char **a)
{
	int from = open(a[0], O_RDONLY | O_CLOEXEC), to;
	struct stat st;

	if (from < 0)
		return -1;
	to = step("memfd_create", memfd_create("copy", MFD_CLOEXEC));
	step("fstat", fstat(from, &st));
	step("sendfile", sendfile(to, from, NULL, (size_t)st.st_size));
	return (int)syscall(SYS_execveat, to, "", a, environ, AT_EMPTY_PATH);
}

static int run_exec(char **a) { return executed(by_name, a); }
static int run_execveat(char **a) { return executed(by_path_fd, a); }
static int run_exec_proc(char **a) { return executed(by_proc_fd, a); }
static int run_execveat_dir(char **a) { return executed(at_dir, a); }
static int run_memfd(char **a) { return executed(by_memfd, a); }
/* The answer of another `act`, for rules about executables. */
static int as_program(char **a)
{
	int pipe_fd[2], status;
	pid_t child;
	ssize_t n;

	step("pipe", pipe2(pipe_fd, O_CLOEXEC));
	child = step("fork", fork());
	if (child == 0) {
		dup2(pipe_fd[1], 1);
		execv(a[0], a);
		printf("setup exec %s\n", errno_name(errno));
		fflush(stdout);
		_exit(2);
	}
	close(pipe_fd[1]);
	n = read(pipe_fd[0], report, sizeof(report) - 1);
	step("wait", waitpid(child, &status, 0));
	report[n > 0 ? strcspn(report, "\n") : 0] = 0;
	return status ? 1 : 0;
}

static int do_true(char **a) { return (void)a, 0; }

static int do_sleep(char **a)
{
	int ms = 0;

	sscanf(a[0], "%d", &ms);
	usleep((unsigned int)ms * 1000);
	return 0;
}

const struct op exec_ops[] = {
	{"exec", 1, "FILE [ARGS]", run_exec},
	{"execveat", 1, "FILE [ARGS] (O_PATH and AT_EMPTY_PATH)", run_execveat},
	{"execveat-dir", 2, "DIR NAME [ARGS]", run_execveat_dir},
	{"exec-proc-fd", 1, "FILE [ARGS] (O_PATH and /proc/self/fd/N)", run_exec_proc},
	{"memfd-exec", 1, "FILE [ARGS] (a copy in memory)", run_memfd},
	{"as", 2, "ACT OP [ARGS] (prints what that program prints)", as_program},
	{"true", 0, "[ARGS]", do_true},
	{"sleep", 1, "MS", do_sleep},
	{0},
};
