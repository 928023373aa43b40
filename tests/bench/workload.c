/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload - what a workload in a guest needs beside Debian's programs.
 *
 *   workload pages DIR FILES          makes files of 2 KiB: DIR/0, DIR/1, ...
 *   workload http PORT FILES COUNT    gets them in turn over one connection to 127.0.0.1, so many in all
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE 2048

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void make_pages(const char *dir, int files)
{
	static char text[PAGE];
	char path[4096];

	memset(text, 'x', sizeof(text));
	for (int file = 0; file < files; file++) {
		FILE *page;

		snprintf(path, sizeof(path), "%s/%d", dir, file);
		page = fopen(path, "w");
		if (!page || fwrite(text, sizeof(text), 1, page) != 1 || fclose(page))
			die(path);
	}
}

/* Reads one answer: its head, and the body, which is as long as a page. */
static void read_answer(int fd)
{
	char answer[4 * PAGE];
	size_t size = 0;
	const char *body;

	do {
		ssize_t n = read(fd, answer + size, sizeof(answer) - 1 - size);

		if (n <= 0)
			die("read");
		size += (size_t)n;
		answer[size] = 0;
		body = strstr(answer, "\r\n\r\n");
	} while (!body || size < (size_t)(body + 4 - answer) + PAGE);
	if (strncmp(answer, "HTTP/1.1 200", 12)) {
		fprintf(stderr, "workload: %.40s\n", answer);
		exit(2);
	}
}

static void get_pages(int port, int files, int count)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((unsigned short)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char request[128];

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	for (int i = 0; i < count; i++) {
		int size = snprintf(request, sizeof(request), "GET /%d HTTP/1.1\r\nHost: bench\r\n\r\n", i % files);

		if (write(fd, request, (size_t)size) != size)
			die("write");
		read_answer(fd);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "pages"))
		make_pages(argv[2], atoi(argv[3]));
	else if (argc == 5 && !strcmp(argv[1], "http"))
		get_pages(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	else
		return 2;
	return 0;
}
