/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The state: what is decided by (sets, filters, control) and what is counted and reported. */
#ifndef AEGIS_MAPS_H
#define AEGIS_MAPS_H

struct aegis_state state SEC(".bss.state") = {};

#define control state.control

/*
 * Rules and entries of the two sets; the agent puts a new inner map for every policy it applies.
 * Sizes, not types: clang leaves the types of an inner map's key and value out of the BTF.
 */
struct entries_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct aegis_key));
	__uint(value_size, sizeof(struct aegis_entry));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct entries_map);
} entries SEC(".maps");

struct rules_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP); /* sets differ in size */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct aegis_rule));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct rules_map);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[AEGIS_COUNTERS]);
} counters SEC(".maps");

/* Decisions that no flow could hold, by rule; a rule's count is this and the sum of its flows. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct aegis_rule_key);
	__type(value, __u64);
} rule_counts SEC(".maps");

/*
 * Flows are counted in the one of two maps that control.epoch names. The agent makes room by going on to the other one:
 * once no program is left that began in the old epoch, nothing counts in the old map any more, and what it holds can be
 * taken out without losing a count. An entry cannot be removed while its map is in use: a program may have looked it
 * up and be about to count in it.
 */
struct flows_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct aegis_flow_key);
	__type(value, struct aegis_flow);
} flows SEC(".maps"), flows_odd SEC(".maps");

static __always_inline void *flows_of(__u32 epoch)
{
	return epoch & 1 ? (void *)&flows_odd : (void *)&flows;
}

/* What flows counted that were taken out; written by the agent alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct aegis_flow_key);
	__type(value, struct aegis_past);
} past SEC(".maps");

/* How much of each flow's total has been reported; written by the agent alone, so that a restart loses nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct aegis_flow_key);
	__type(value, __u64);
} reported SEC(".maps");

/* The id of each rule by its lasting number; written by the agent alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, char[64]);
} rule_names SEC(".maps");

#define RING_BYTES (4 << 20)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} records SEC(".maps");

/* A set's maps. The index is a copy of its own: once its address is taken the verifier forgets its range. */
static __always_inline void *entries_of(__u32 live)
{
	__u32 set = live & AEGIS_LIVE_SET;

	return bpf_map_lookup_elem(&entries, &set);
}

static __always_inline void *rules_of(__u32 live)
{
	__u32 set = live & AEGIS_LIVE_SET;

	return bpf_map_lookup_elem(&rules, &set);
}

/* This CPU's counters. */
static __always_inline __u64 *counters_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

/* Atomic although per CPU: a task that preempts this one may be counting too. */
static __always_inline void count(__u32 counter)
{
	__u64 *here = counters_here();

	if (here)
		__sync_fetch_and_add(&here[counter], 1);
}

#endif
