/**
 * The functions of libbpf in use, all of them part of its version 1.0.
 *
 * Functions that return an `i32` return a negative error number; those that return a pointer set errno.
 *
 * @module
 */

/** For `Deno.dlopen`. */
export const LIBBPF_SYMBOLS = {
  bpf_link_detach: { parameters: ["i32"], result: "i32" },
  bpf_link_get_fd_by_id: { parameters: ["u32"], result: "i32" },
  bpf_link__destroy: { parameters: ["pointer"], result: "i32" },
  bpf_link__disconnect: { parameters: ["pointer"], result: "void" },
  bpf_link__fd: { parameters: ["pointer"], result: "i32" },

  bpf_map_create: { parameters: ["u32", "buffer", "u32", "u32", "u32", "buffer"], result: "i32" },
  bpf_map_delete_batch: { parameters: ["i32", "buffer", "buffer", "buffer"], result: "i32" },
  bpf_map_delete_elem: { parameters: ["i32", "buffer"], result: "i32" },
  bpf_map_freeze: { parameters: ["i32"], result: "i32" },
  bpf_map_get_fd_by_id: { parameters: ["u32"], result: "i32" },
  bpf_map_get_next_key: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  bpf_map_lookup_batch: {
    parameters: ["i32", "buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  bpf_map_lookup_elem: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  bpf_map_update_batch: { parameters: ["i32", "buffer", "buffer", "buffer", "buffer"], result: "i32" },
  bpf_map_update_elem: { parameters: ["i32", "buffer", "buffer", "u64"], result: "i32" },

  bpf_map__fd: { parameters: ["pointer"], result: "i32" },
  bpf_map__initial_value: { parameters: ["pointer", "buffer"], result: "pointer" },
  bpf_map__key_size: { parameters: ["pointer"], result: "u32" },
  bpf_map__max_entries: { parameters: ["pointer"], result: "u32" },
  bpf_map__name: { parameters: ["pointer"], result: "pointer" },
  bpf_map__reuse_fd: { parameters: ["pointer", "i32"], result: "i32" },
  bpf_map__set_autocreate: { parameters: ["pointer", "bool"], result: "i32" },
  bpf_map__set_initial_value: { parameters: ["pointer", "buffer", "usize"], result: "i32" },
  bpf_map__set_max_entries: { parameters: ["pointer", "u32"], result: "i32" },
  bpf_map__set_pin_path: { parameters: ["pointer", "buffer"], result: "i32" },
  bpf_map__type: { parameters: ["pointer"], result: "u32" },
  bpf_map__value_size: { parameters: ["pointer"], result: "u32" },

  bpf_obj_get: { parameters: ["buffer"], result: "i32" },
  bpf_obj_get_info_by_fd: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  bpf_obj_pin: { parameters: ["i32", "buffer"], result: "i32" },

  bpf_object__btf: { parameters: ["pointer"], result: "pointer" },
  bpf_object__close: { parameters: ["pointer"], result: "void" },
  bpf_object__load: { parameters: ["pointer"], result: "i32" },
  bpf_object__next_map: { parameters: ["pointer", "pointer"], result: "pointer" },
  bpf_object__next_program: { parameters: ["pointer", "pointer"], result: "pointer" },
  bpf_object__open_mem: { parameters: ["buffer", "usize", "buffer"], result: "pointer" },

  bpf_prog_get_fd_by_id: { parameters: ["u32"], result: "i32" },
  bpf_prog_load: { parameters: ["u32", "buffer", "buffer", "buffer", "usize", "buffer"], result: "i32" },
  bpf_prog_test_run_opts: { parameters: ["i32", "buffer"], result: "i32" },

  bpf_program__attach: { parameters: ["pointer"], result: "pointer" },
  bpf_program__autoload: { parameters: ["pointer"], result: "bool" },
  bpf_program__fd: { parameters: ["pointer"], result: "i32" },
  bpf_program__insn_cnt: { parameters: ["pointer"], result: "usize" },
  bpf_program__name: { parameters: ["pointer"], result: "pointer" },
  bpf_program__section_name: { parameters: ["pointer"], result: "pointer" },
  bpf_program__set_attach_target: { parameters: ["pointer", "i32", "buffer"], result: "i32" },
  bpf_program__set_autoload: { parameters: ["pointer", "bool"], result: "i32" },
  bpf_program__set_expected_attach_type: { parameters: ["pointer", "u32"], result: "i32" },
  bpf_program__set_log_buf: { parameters: ["pointer", "buffer", "usize"], result: "i32" },
  bpf_program__set_type: { parameters: ["pointer", "u32"], result: "i32" },
  bpf_program__type: { parameters: ["pointer"], result: "u32" },
  bpf_program__expected_attach_type: { parameters: ["pointer"], result: "u32" },

  btf__load_vmlinux_btf: { parameters: [], result: "pointer" },
  btf__load_module_btf: { parameters: ["buffer", "pointer"], result: "pointer" },
  btf__free: { parameters: ["pointer"], result: "void" },
  btf__find_by_name_kind: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  btf__name_by_offset: { parameters: ["pointer", "u32"], result: "pointer" },
  btf__type_by_id: { parameters: ["pointer", "u32"], result: "pointer" },
  btf__type_cnt: { parameters: ["pointer"], result: "u32" },

  libbpf_major_version: { parameters: [], result: "u32" },
  libbpf_minor_version: { parameters: [], result: "u32" },
  libbpf_set_print: { parameters: ["pointer"], result: "pointer" },
} as const;

/** libbpf's functions as Deno calls them. */
export type LibbpfFunctions = Deno.DynamicLibrary<typeof LIBBPF_SYMBOLS>["symbols"];
