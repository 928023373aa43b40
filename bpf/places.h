/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Path rules follow their places: when a name in a directory that stands at a place comes to mean another inode -
 * created, linked, moved there, or found by a look-up - that inode is added to the sets there and then. So an open
 * needs to look at the file alone.
 */
#ifndef AEGIS_PLACES_H
#define AEGIS_PLACES_H

#define NAME_WORDS 32 /* NAME_MAX in words of 8 bytes */
#define SETTLE_PASSES 12
#define SETTLE_LEVELS 32

/* Hash of a name; nameHash() of src/kernel/packed.ts is the same. */
__u64 hash_name(__u64 text, __u32 len)
{
	__u64 hash = len;
	__u32 i;

	for (i = 0; i < NAME_WORDS; i++) {
		__u32 rest = len - i * 8;
		__u64 word = 0;

		if (i * 8 >= len)
			break;
		if (rest >= 8)
			rest = 8;
		/* a bound that the verifier sees where it needs it; the compiler knows better and would drop it */
		asm volatile("" : "+r"(rest));
		if (rest > 8)
			break;
		bpf_probe_read_kernel(&word, rest, (void *)text + i * 8);
		hash = (hash ^ word) * AEGIS_FILTER_FACTOR;
		hash ^= hash >> 32;
	}
	return hash;
}

/* Adds `what` (rule | node << 32) to the slots of one thing; 1 where it was not there. */
__u64 add_entry(__u64 a, __u64 b, __u32 kind, __u64 what, __u32 set)
{
	struct aegis_entry value = { .rule = what, .node = what >> 32 };
	struct aegis_key key = { .a = a, .b = b, .kind = kind };
	void *set_entries = entries_of(set);
	__u32 slot;

	if (!set_entries)
		return 0;
	for (slot = 0; slot < AEGIS_SLOTS; slot++) {
		struct aegis_entry *entry;

		key.slot = slot;
		entry = bpf_map_lookup_elem(set_entries, &key);
		if (entry && entry->rule == value.rule && entry->node == value.node)
			return 0;
		if (!entry && !bpf_map_update_elem(set_entries, &key, &value, BPF_NOEXIST)) {
			count(AEGIS_LEARNT);
			return 1;
		}
	}
	count(AEGIS_LEARN_FAILED);
	return 0;
}

/* bind_at's flags, and what it answers besides the rule */
#define BIND_SET 1u
#define BIND_DIR 2u
#define BOUND_FILE 1u
#define BOUND_PLACE 2u
#define BOUND_EXE 4u

/* Makes callers members of mask, by what `kind` says a and b are; whether they were not. */
static __always_inline bool add_mask(__u64 a, __u64 b, __u32 kind, __u64 mask, __u32 set)
{
	struct aegis_key key = { .a = a, .b = b, .kind = kind };
	struct aegis_entry value = { .rule = AEGIS_NO_RULE, .mask = mask };
	void *set_entries = entries_of(set);
	struct aegis_entry *entry;

	if (!set_entries)
		return false;
	entry = bpf_map_lookup_elem(set_entries, &key);
	if (entry && (entry->mask & mask) == mask)
		return false;
	if (entry)
		value.mask |= entry->mask;
	if (bpf_map_update_elem(set_entries, &key, &value, BPF_ANY))
		return false;
	if (!entry)
		count(AEGIS_LEARNT);
	return true;
}

/* The inode ino:tail stands at a name of a place now. Returns what is new: rule << 32 | BOUND_*. */
__u64 bind_at(__u32 node, __u64 hash, __u64 ino, __u64 tail, __u32 flags)
{
	struct aegis_key key = { .a = node, .b = hash };
	__u32 set = flags & BIND_SET, slot;
	void *set_entries = entries_of(set);
	struct aegis_entry *entry;
	__u64 bound = 0;

	if (!set_entries)
		return 0;
	key.kind = AEGIS_EXE_LEAF;
	entry = bpf_map_lookup_elem(set_entries, &key);
	if (entry && !(flags & BIND_DIR))
		bound |= add_mask(ino, tail, AEGIS_EXE, entry->mask, set) ? BOUND_EXE : 0;
	key.kind = AEGIS_EDGE;
	/* of a symbolic link too: then the agent has to follow it */
	entry = bpf_map_lookup_elem(set_entries, &key);
	if (entry) {
		state.place_filter[set][filter_slot(ino, AEGIS_PLACE_FILTER_BITS)] = 1;
		if (add_entry(ino, tail, AEGIS_PLACE, (__u64)entry->node << 32 | AEGIS_NO_RULE, set))
			bound |= BOUND_PLACE;
	}
	key.kind = AEGIS_LEAF;
	for (slot = 0; slot < AEGIS_SLOTS; slot++) {
		__u32 kind = AEGIS_FILE;

		key.slot = slot;
		entry = bpf_map_lookup_elem(set_entries, &key);
		if (!entry)
			break;
		if (entry->mask & AEGIS_LEAF_SUBTREE) {
			if (!(flags & BIND_DIR))
				continue;
			kind = AEGIS_DIR;
			state.dir_filter[set][filter_slot(ino, AEGIS_DIR_FILTER_BITS)] = 1;
		} else {
			state.file_filter[set][filter_slot(ino, AEGIS_FILE_FILTER_BITS)] = 1;
		}
		if (add_entry(ino, tail, kind, entry->rule, set))
			bound |= (__u64)entry->rule << 32 | BOUND_FILE;
	}
	return bound;
}

/* Binds a name, by its hash, in a directory in one set; pointers travel as numbers. Returns as bind_at does. */
__u64 bind_in(__u64 dir_address, __u64 hash, __u64 inode_address, __u32 set)
{
	struct inode *dir = (void *)dir_address, *inode = (void *)inode_address;
	__u64 ino = BPF_CORE_READ(inode, i_ino), tail = tail_at(inode), bound = 0;
	__u32 flags = set & BIND_SET, slot;
	void *set_entries = entries_of(set);
	struct aegis_key key = { .kind = AEGIS_PLACE };

	if (!set_entries)
		return 0;
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFDIR)
		flags |= BIND_DIR;
	key.a = BPF_CORE_READ(dir, i_ino);
	key.b = tail_at(dir);
	for (slot = 0; slot < AEGIS_PLACE_SLOTS; slot++) {
		struct aegis_entry *entry;

		key.slot = slot;
		entry = bpf_map_lookup_elem(set_entries, &key);
		if (!entry)
			break;
		bound |= bind_at(entry->node, hash, ino, tail, flags);
	}
	return bound;
}

/* Whether a directory may stand at a place, by the filters of both sets. */
static __always_inline bool may_be_place(__u64 ino)
{
	__u32 slot = filter_slot(ino, AEGIS_PLACE_FILTER_BITS);

	return state.place_filter[0][slot] || state.place_filter[1][slot];
}

/* The name that a dentry is stands for an inode from now on. Pointers travel as numbers. Returns as bind_at does. */
__u64 bind_name(__u64 at_address, __u64 inode)
{
	struct dentry *at = (void *)at_address;
	__u64 dir = (__u64)BPF_CORE_READ(at, d_parent, d_inode), hash, bound, in_other;
	struct name name;
	__u32 word, live;

	if (!inode || !may_be_place(BPF_CORE_READ((struct inode *)dir, i_ino)))
		return 0;
	bpf_core_read(&name, sizeof(name), &at->d_name);
	hash = hash_name((__u64)name.text, name.len);
	word = live_word();
	live = word & AEGIS_LIVE_SET;
	/* the other set too: it may be being filled, or come back unconfirmed */
	in_other = bind_in(dir, hash, inode, live ^ 1);
	bound = bind_in(dir, hash, inode, live);
	if ((bound | (word & AEGIS_LIVE_CONFIRM ? in_other : 0)) & BOUND_PLACE)
		control.moved = bpf_ktime_get_boot_ns() | 1;
	if (bound) {
		count(AEGIS_EMITTED);
		send(inode, at_address, 0, how(bound >> 32, 0, 0, HOW_BOUND, live), 0);
	}
	return bound;
}

/* Binds the name below the nearest place above a dentry; 0 where there is nothing new. */
__u64 settle_nearest(__u64 address)
{
	struct dentry *dentry = (void *)address;
	int i;

	for (i = 0; i < SETTLE_LEVELS; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (parent == dentry)
			break;
		if (may_be_place(BPF_CORE_READ(parent, d_inode, i_ino))) {
			__u64 bound = bind_name((__u64)dentry, (__u64)BPF_CORE_READ(dentry, d_inode));

			if (bound)
				return bound;
		}
		dentry = parent;
	}
	return 0;
}

/*
 * After a directory came to stand at a place with what it holds: binds the directories and names between it and a
 * file that is asked for, from above, a name in each pass.
 */
static __always_inline void settle(__u64 address)
{
	int pass;

	for (pass = 0; pass < SETTLE_PASSES; pass++)
		if (!settle_nearest(address))
			break;
}

/* A new cgroup, in one set: its name may be one that the policy names. */
__u64 bind_cgroup(__u64 parent, __u64 hash, __u64 id, __u32 set)
{
	struct aegis_key key = { .a = parent, .kind = AEGIS_CGROUP_PLACE };
	void *set_entries = entries_of(set);
	struct aegis_entry *entry;

	set &= AEGIS_LIVE_SET;
	if (!set_entries)
		return 0;
	entry = bpf_map_lookup_elem(set_entries, &key);
	if (!entry)
		return 0;
	key.a = entry->node;
	key.b = hash;
	key.kind = AEGIS_CGROUP_LEAF;
	entry = bpf_map_lookup_elem(set_entries, &key);
	if (entry)
		add_mask(id, 0, AEGIS_CGROUP, entry->mask, set);
	key.kind = AEGIS_EDGE;
	entry = bpf_map_lookup_elem(set_entries, &key);
	if (entry)
		add_entry(id, 0, AEGIS_CGROUP_PLACE, (__u64)entry->node << 32 | AEGIS_NO_RULE, set);
	return 0;
}

#endif
