/**
 * Packing of the structures of `bpf/aegis.h`, little-endian as both architectures are.
 *
 * @module
 */
import { ENTRY, IDENTITY, KEY, RULE } from "./layout.ts";

/** What a file is to the kernel: `struct aegis_identity`. */
export interface Identity {
  /** Inode number, 0 to 2^64 - 1. */
  readonly ino: bigint;
  /** `super_block.s_dev`: major << 20 | minor. */
  readonly dev: number;
  /** Inode generation, 0 to 2^32 - 1. */
  readonly gen: number;
}

/** An identity in the form of the contract's events: `MAJOR:MINOR`. */
export function deviceText(dev: number): string {
  return `${dev >>> 20}:${dev & 0xfffff}`;
}

/** The kernel's number of a device. */
export function deviceNumber(major: number, minor: number): number {
  return (major << 20 | minor) >>> 0;
}

/** `MAJOR:MINOR:INO:GENERATION`, the form in which a policy names an inode. */
export function identityText({ ino, dev, gen }: Identity): string {
  return `${deviceText(dev)}:${ino}:${gen}`;
}

/** The second half of a key that holds an identity: `dev << 32 | gen`. */
export function identityTail({ dev, gen }: Pick<Identity, "dev" | "gen">): bigint {
  return BigInt(dev) << 32n | BigInt(gen);
}

/** Reads a `struct aegis_identity`. */
export function readIdentity(view: DataView, offset: number): Identity {
  return {
    ino: view.getBigUint64(offset + IDENTITY.ino, true),
    dev: view.getUint32(offset + IDENTITY.dev, true),
    gen: view.getUint32(offset + IDENTITY.gen, true),
  };
}

/** Writes a `struct aegis_identity`. */
export function writeIdentity(view: DataView, offset: number, { ino, dev, gen }: Identity): void {
  view.setBigUint64(offset + IDENTITY.ino, ino, true);
  view.setUint32(offset + IDENTITY.dev, dev, true);
  view.setUint32(offset + IDENTITY.gen, gen, true);
}

/** `struct aegis_key`. */
export interface EntryKey {
  readonly kind: number;
  readonly a: bigint;
  readonly b: bigint;
  readonly slot: number;
}

/** `struct aegis_entry`. */
export interface EntryValue {
  /** Index of a rule of the set, or `AEGIS.NO_RULE`. */
  readonly rule: number;
  /** Number of a place, 0 for none. */
  readonly node: number;
  /** What a caller is a member of. */
  readonly mask: bigint;
}

/** Writes a key of `KEY.SIZE` bytes at `offset`. */
export function writeKey(view: DataView, offset: number, { kind, a, b, slot }: EntryKey): void {
  view.setBigUint64(offset + KEY.a, a, true);
  view.setBigUint64(offset + KEY.b, b, true);
  view.setUint32(offset + KEY.kind, kind, true);
  view.setUint32(offset + KEY.slot, slot, true);
}

/** Reads a key. */
export function readKey(view: DataView): EntryKey {
  return {
    a: view.getBigUint64(KEY.a, true),
    b: view.getBigUint64(KEY.b, true),
    kind: view.getUint32(KEY.kind, true),
    slot: view.getUint32(KEY.slot, true),
  };
}

/** Writes an entry of `ENTRY.SIZE` bytes at `offset`. */
export function writeEntry(view: DataView, offset: number, { rule, node, mask }: EntryValue): void {
  view.setUint32(offset + ENTRY.rule, rule, true);
  view.setUint32(offset + ENTRY.node, node, true);
  view.setBigUint64(offset + ENTRY.mask, mask, true);
}

/** Reads an entry. */
export function readEntry(view: DataView): EntryValue {
  return {
    rule: view.getUint32(ENTRY.rule, true),
    node: view.getUint32(ENTRY.node, true),
    mask: view.getBigUint64(ENTRY.mask, true),
  };
}

/** A rule as the kernel knows it: `struct aegis_rule`. */
export interface KernelRule {
  /** Caller bits of which one must be set; 0n is everybody. */
  readonly scopes: bigint;
  /** Caller bits that the rule does not touch. */
  readonly exceptScopes: bigint;
  /** The rule's lasting number. */
  readonly number: number;
  /** Bits of `OP`. */
  readonly ops: number;
  /** Bits of `AEGIS.RULE_*`. */
  readonly flags: number;
  /** Signal number, 0 for none. */
  readonly signal: number;
}

/** Writes a rule of `RULE.SIZE` bytes at `offset`. */
export function writeRule(view: DataView, offset: number, rule: KernelRule): void {
  view.setBigUint64(offset + RULE.scopes, rule.scopes, true);
  view.setBigUint64(offset + RULE.except_scopes, rule.exceptScopes, true);
  view.setUint32(offset + RULE.number, rule.number, true);
  view.setUint16(offset + RULE.ops, rule.ops, true);
  view.setUint8(offset + RULE.flags, rule.flags);
  view.setUint8(offset + RULE.signal, rule.signal);
}

/** Reads a rule. */
export function readRule(view: DataView): KernelRule {
  return {
    scopes: view.getBigUint64(RULE.scopes, true),
    exceptScopes: view.getBigUint64(RULE.except_scopes, true),
    number: view.getUint32(RULE.number, true),
    ops: view.getUint16(RULE.ops, true),
    flags: view.getUint8(RULE.flags),
    signal: view.getUint8(RULE.signal),
  };
}

/** A view of all of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Hash of a name as the kernel side has it: `hash_name` in bpf/places.h. Eight bytes at a time, each folded in by a
 * multiplication and a shift.
 */
export function nameHash(name: string): bigint {
  const bytes = new TextEncoder().encode(name);
  const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
  padded.set(bytes);
  const view = viewOf(padded);
  let hash = BigInt(bytes.length);
  for (let at = 0; at < padded.length; at += 8) {
    hash = BigInt.asUintN(64, (hash ^ view.getBigUint64(at, true)) * FACTOR);
    hash ^= hash >> 32n;
  }
  return hash;
}

/** `AEGIS_FILTER_FACTOR`. */
const FACTOR = 0x9e3779b97f4a7c15n;
