// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Every kind of map that the bindings are for, and global variables.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1000);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} generations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

const volatile __u32 wanted = 1;
const volatile char label[8] = "before";
__u32 live = 0;
__u64 found = 0;
__u64 initialized = 5;

SEC("raw_tp")
int look(void *context)
{
	__u32 generation = live & 1, key = wanted;
	void *set = bpf_map_lookup_elem(&generations, &generation);
	__u64 *value, *count;

	if (!set)
		return 0;
	value = bpf_map_lookup_elem(set, &key);
	if (!value)
		return 1;
	found = *value + initialized;
	key = 2;
	count = bpf_map_lookup_elem(&counters, &key);
	if (count)
		*count += 1;
	return label[0];
}

char _license[] SEC("license") = "GPL";
