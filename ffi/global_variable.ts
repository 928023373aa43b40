/**
 * Global variables of a BPF object: where they lie, and what they hold at the start.
 *
 * @module
 */
import { cString } from "./libc.ts";
import { libbpf } from "./library.ts";
import type { ObjectMap } from "./object_parts.ts";

/** A global variable of an opened object. */
export class GlobalVariable {
  readonly name: string;
  /** Map that holds it, that of `.rodata`, `.data` or `.bss`. */
  readonly map: ObjectMap;
  /** Bytes from the start of the map's only value, and of its mapped memory. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;

  /** Used by `BpfObject` only. */
  constructor(name: string, map: ObjectMap, offset: number, size: number) {
    this.name = name;
    this.map = map;
    this.offset = offset;
    this.size = size;
  }

  /** A copy of what it holds at the start. */
  initialValue(): Uint8Array<ArrayBuffer> {
    return this.map.initialValue().slice(this.offset, this.offset + this.size);
  }

  /**
   * Sets what it holds at the start, before the load.
   *
   * @throws {RangeError} If `bytes` is not of {@linkcode size} bytes.
   * @throws {SystemError} `EINVAL` or `EBUSY` after the load.
   */
  setInitialValue(bytes: Uint8Array): void {
    if (bytes.length !== this.size) {
      throw new RangeError(`Expected ${this.size} bytes for variable ${this.name}, got ${bytes.length}`);
    }
    const section = this.map.initialValue();
    section.set(bytes, this.offset);
    this.map.setInitialValue(section);
  }
}

/** Where a variable lies in its section. */
export interface SectionVariable {
  readonly name: string;
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** The variables of a section such as `.rodata`, from the BTF that `btf` points to. */
export function sectionVariables(btf: Deno.PointerObject, section: string): SectionVariable[] {
  const { call } = libbpf();
  const id = call.btf__find_by_name_kind(btf, cString(section), KIND_DATASEC);
  const type = id < 0 ? null : call.btf__type_by_id(btf, id);
  if (type === null) return [];
  const view = new Deno.UnsafePointerView(type);
  const count = view.getUint32(4) & 0xffff;
  return Array.from({ length: count }, (_, index) => {
    // struct btf_type, then a struct btf_var_secinfo for each variable.
    const info = 12 + 12 * index;
    const variable = call.btf__type_by_id(btf, view.getUint32(info));
    if (variable === null) throw new TypeError(`Expected BTF of section ${section} to be complete`);
    const name = call.btf__name_by_offset(btf, new Deno.UnsafePointerView(variable).getUint32(0));
    return {
      name: name === null ? "" : Deno.UnsafePointerView.getCString(name),
      offset: view.getUint32(info + 4),
      size: view.getUint32(info + 8),
    };
  });
}

const KIND_DATASEC = 15;
