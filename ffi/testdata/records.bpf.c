// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Programs that fill a ring buffer: one by hand, one on the system calls of a process.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct record {
	__u64 sequence;
	__u32 length;
	__u32 filler[13];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} records SEC(".maps");

const volatile __u32 discard_every = 0;
__u32 target = 0;
__u64 emitted = 0;
__u64 dropped = 0;
__u64 discarded = 0;

/* lengths differ from record to record, so that they meet the end of the buffer in every way */
static __always_inline void emit(void)
{
	__u64 sequence = emitted;
	struct record *record;

	if (sequence & 1) {
		record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
		if (record)
			record->length = sizeof(*record);
	} else {
		record = bpf_ringbuf_reserve(&records, 20, 0);
		if (record)
			record->length = 20;
	}
	if (!record) {
		dropped++;
		return;
	}
	if (discard_every && sequence % discard_every == discard_every - 1) {
		emitted++;
		discarded++;
		bpf_ringbuf_discard(record, 0);
		return;
	}
	record->sequence = sequence;
	emitted++;
	bpf_ringbuf_submit(record, 0);
}

SEC("raw_tp")
int by_hand(void *context)
{
	emit();
	return 7;
}

SEC("raw_tp/sys_enter")
int on_system_call(void *context)
{
	if (target && bpf_get_current_pid_tgid() >> 32 == target)
		emit();
	return 0;
}

char _license[] SEC("license") = "GPL";
