// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Fills a ring buffer from several processes at once, from their system calls, with records whose every word is known.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define PRODUCERS 4
#define MAX_WORDS 32

struct record {
	__u32 producer;
	__u32 sequence;
	__u32 words[MAX_WORDS];
};

/* Small, so that it is gone round often and is full most of the time. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024);
} records SEC(".maps");

/* A burst of so many records at each so many-th system call; none of 0. */
const volatile __u32 burst = 1;
__u32 every = 0;

/* Process ids, and what each did: only the process itself writes to its counters. */
__u32 producers[PRODUCERS] = {};
__u32 calls[PRODUCERS] = {};
__u32 tries[PRODUCERS] = {};
__u32 emitted[PRODUCERS] = {};
__u32 dropped[PRODUCERS] = {};

/* So that the reader comes upon records that are not finished. */
static long dawdle(__u32 index, void *context)
{
	bpf_ktime_get_ns();
	return 0;
}

/* Lengths differ from record to record, so that they meet the end of the ring in every way; some are discarded. */
#define EMIT(LENGTH)                                                                       \
	{                                                                                  \
		struct record *record = bpf_ringbuf_reserve(&records, 8 + 4 * (LENGTH), 0); \
                                                                                           \
		if (!record) {                                                             \
			dropped[i]++;                                                      \
			continue;                                                          \
		}                                                                          \
		if (tries[i] % 8 == 7)                                                     \
			bpf_loop(300, dawdle, 0, 0);                                       \
		record->producer = i;                                                      \
		record->sequence = sequence;                                               \
		for (word = 0; word < (LENGTH); word++)                                    \
			record->words[word] = (sequence * PRODUCERS + i) * 2654435761u + word; \
		if (tries[i]++ % 13 == 12) {                                               \
			bpf_ringbuf_discard(record, 0);                                    \
		} else {                                                                   \
			emitted[i]++;                                                      \
			bpf_ringbuf_submit(record, 0);                                     \
		}                                                                          \
	}

SEC("raw_tp/sys_enter")
int on_system_call(void *context)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32, i, n, word;

	for (i = 0; i < PRODUCERS; i++)
		if (producers[i] == pid)
			break;
	if (i >= PRODUCERS || !every || ++calls[i] % every)
		return 0;
	for (n = 0; n < burst && n < 16; n++) {
		__u32 sequence = emitted[i];

		switch (sequence & 3) {
		case 0:
			EMIT(1);
			break;
		case 1:
			EMIT(5);
			break;
		case 2:
			EMIT(16);
			break;
		default:
			EMIT(MAX_WORDS);
		}
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
