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

const answers = new Map<string, number | undefined>();

/** `BTF_KIND_FUNC` and `BTF_KIND_FUNC_PROTO` of linux/btf.h. */
const KIND_FUNC = 12;
const KIND_FUNC_PROTO = 13;

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
