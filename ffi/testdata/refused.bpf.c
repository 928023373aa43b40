// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// A program that the verifier refuses, next to one that it takes.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

SEC("raw_tp/sys_enter")
int accepted(void *context)
{
	return 0;
}

SEC("raw_tp/sys_enter")
int unchecked(void *context)
{
	__u32 key = 0;
	__u64 *number = bpf_map_lookup_elem(&numbers, &key);

	return *number;
}

SEC("fentry")
int untargeted(void *context)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
