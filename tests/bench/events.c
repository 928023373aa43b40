/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events - opens and closes files at a rate.
 *
 *   events PREFIX FILES SECONDS RATE
 *
 * Opens PREFIX0, PREFIX1, ... PREFIX(FILES - 1) in turn for so long, RATE times a second (0: as fast as it goes), and
 * prints how many opens it made and the nanoseconds that took.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000LL + at.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	long files = atol(argv[2]), rate = atol(argv[4]), opened = 0;
	long long length = atoll(argv[3]) * 1000000000LL, begun = now(), at;
	size_t size = strlen(argv[1]) + 16;
	char *paths = malloc(files * size);

	for (long file = 0; file < files; file++)
		snprintf(paths + file * size, size, "%s%ld", argv[1], file);
	while ((at = now() - begun) < length) {
		/* A burst every millisecond, or as many as a look at the clock is worth. */
		long due = rate ? at / 1000000 * rate / 1000 : opened + 64;

		for (; opened < due; opened++) {
			int fd = open(paths + opened % files * size, O_RDONLY | O_CLOEXEC);

			if (fd < 0) {
				perror(paths + opened % files * size);
				return 1;
			}
			close(fd);
		}
		if (rate)
			usleep(500);
	}
	printf("%ld %lld\n", opened, now() - begun);
	return 0;
}
