/**
 * Types of the running kernel.
 *
 * @module
 */
import { cString } from "./libc.ts";
import { libbpf } from "./library.ts";

/**
 * How many arguments a function of the kernel takes; undefined where it has no such function, or no BTF. The answers
 * are kept, the types are not.
 */
export function kernelFunctionArguments(name: string): number | undefined {
  if (answers.has(name)) return answers.get(name);
  const count = askKernel(name);
  answers.set(name, count);
  return count;
}

/** A struct of the kernel's and one of its members. */
export type StructMember = readonly [struct: string, member: string];

/**
 * Where members of structs are that a module defines, in bytes, in the order of the question; undefined where the module
 * is not there, not loaded, or without BTF (until 5.11), or has no such member.
 */
export function moduleMemberOffsets(module: string, members: readonly StructMember[]): number[] | undefined {
  const { call } = libbpf();
  const kernel = call.btf__load_vmlinux_btf();
  if (kernel === null) return undefined;
  // What is built in has its types among the kernel's.
  const btf = call.btf__load_module_btf(cString(module), kernel);
  try {
    const offsets = members.flatMap((member) => offsetOf(btf ?? kernel, member) ?? []);
    return offsets.length === members.length ? offsets : undefined;
  } finally {
    if (btf !== null) call.btf__free(btf);
    call.btf__free(kernel);
  }
}

function offsetOf(btf: Deno.PointerObject, [struct, member]: StructMember): number | undefined {
  const { call } = libbpf();
  const id = call.btf__find_by_name_kind(btf, cString(struct), KIND_STRUCT);
  const type = id < 0 ? null : call.btf__type_by_id(btf, id);
  const { members = 0 } = typeOf(type) ?? {};
  if (type === null) return undefined;
  const view = new Deno.UnsafePointerView(type);
  for (let at = TYPE_SIZE; at < TYPE_SIZE + members * MEMBER_SIZE; at += MEMBER_SIZE) {
    const name = call.btf__name_by_offset(btf, view.getUint32(at));
    // Of a struct with bit fields the upper byte is a width.
    if (name !== null && Deno.UnsafePointerView.getCString(name) === member) {
      return (view.getUint32(at + 8) & 0xffffff) / 8;
    }
  }
  return undefined;
}

const answers = new Map<string, number | undefined>();

/** `BTF_KIND_STRUCT`, `BTF_KIND_FUNC` and `BTF_KIND_FUNC_PROTO` of linux/btf.h. */
const KIND_STRUCT = 4;
const KIND_FUNC = 12;
const KIND_FUNC_PROTO = 13;
/** Sizes of `struct btf_type` and, behind it, `struct btf_member`. */
const TYPE_SIZE = 12;
const MEMBER_SIZE = 12;

function askKernel(name: string): number | undefined {
  const { call } = libbpf();
  const btf = call.btf__load_vmlinux_btf();
  if (btf === null) return undefined;
  try {
    const id = call.btf__find_by_name_kind(btf, cString(name), KIND_FUNC);
    if (id < 0) return undefined;
    const func = typeOf(call.btf__type_by_id(btf, id));
    const proto = func && typeOf(call.btf__type_by_id(btf, func.type));
    return proto?.kind === KIND_FUNC_PROTO ? proto.members : undefined;
  } finally {
    call.btf__free(btf);
  }
}

/** `struct btf_type`: name_off, info (members in its low half, kind in bits 24 to 28), type. */
function typeOf(pointer: Deno.PointerValue): { kind: number; members: number; type: number } | undefined {
  if (pointer === null) return undefined;
  const view = new Deno.UnsafePointerView(pointer);
  const info = view.getUint32(4);
  return { kind: info >>> 24 & 0x1f, members: info & 0xffff, type: view.getUint32(8) };
}
