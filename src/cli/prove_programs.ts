/**
 * Programs of a few instructions that decoys and stand-ins are: static, without a library, for x86-64 and arm64.
 *
 * @module
 */

/** What the programs here end with when all went well, so that no other program's end is taken for theirs. */
export const PROGRAM_EXIT = 42;

/** A program that does nothing, with data behind it; no instruction reads that. */
export function decoyProgram(data: Uint8Array): Uint8Array {
  return executable(IS_ARM ? NOTHING_ARM64 : NOTHING_X86_64, data);
}

/** A program that opens its first argument, for writing if there is a second one; it ends with the error number. */
export function openingProgram(): Uint8Array {
  return executable(IS_ARM ? OPEN_ARM64 : OPEN_X86_64, new Uint8Array());
}

/** A program of this host that needs ld.so, with data behind it; it ends with 0. */
export function dynamicProgram(data: Uint8Array): Uint8Array {
  for (const path of DYNAMIC_PROGRAMS) {
    try {
      return joined(Deno.readFileSync(path), data);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`there is none of ${DYNAMIC_PROGRAMS.join(", ")}`);
}

const IS_ARM = Deno.build.arch === "aarch64";
const DYNAMIC_PROGRAMS = ["/usr/bin/true", "/bin/true"];
/** Bytes of ELF's header and of one program header. */
const HEADERS = 64 + 56;
const LOAD_ADDRESS = 0x400000n;

/** mov edi, 42; mov eax, 60 (exit); syscall */
const NOTHING_X86_64 = "bf2a000000 b83c000000 0f05";
/** mov x0, #42; mov x8, #93 (exit); svc #0 */
const NOTHING_ARM64 = "400580d2 a80b80d2 010000d4";
/**
 * mov rdi, [rsp+16]; mov esi, [rsp]; sub esi, 2; mov eax, 2 (open); syscall;
 * mov edi, eax; neg edi; test eax, eax; js 1f; mov edi, 42; 1: mov eax, 60 (exit); syscall
 */
const OPEN_X86_64 = "488b7c2410 8b3424 83ee02 b802000000 0f05 89c7 f7df 85c0 7805 bf2a000000 b83c000000 0f05";
/**
 * ldr x1, [sp, #16]; ldr x2, [sp]; sub x2, x2, #2; mov x0, #-100 (AT_FDCWD); mov x8, #56 (openat); svc #0;
 * neg x1, x0; mov x2, #42; cmp x0, #0; csel x0, x1, x2, lt; mov x8, #93 (exit); svc #0
 */
const OPEN_ARM64 =
  "e10b40f9 e20340f9 420800d1 600c8092 080780d2 010000d4 e10300cb 420580d2 1f0000f1 20b0829a a80b80d2 010000d4";

function executable(code: string, data: Uint8Array): Uint8Array {
  const instructions = Uint8Array.fromHex(code.replaceAll(" ", ""));
  const bytes = new Uint8Array(HEADERS + instructions.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // e_type: ET_EXEC
  view.setUint16(18, IS_ARM ? 183 : 62, true); // e_machine
  view.setUint32(20, 1, true); // e_version
  view.setBigUint64(24, LOAD_ADDRESS + BigInt(HEADERS), true); // e_entry
  view.setBigUint64(32, 64n, true); // e_phoff
  view.setUint16(52, 64, true); // e_ehsize
  view.setUint16(54, 56, true); // e_phentsize
  view.setUint16(56, 1, true); // e_phnum
  view.setUint32(64, 1, true); // p_type: PT_LOAD
  view.setUint32(68, 5, true); // p_flags: read, execute
  view.setBigUint64(80, LOAD_ADDRESS, true); // p_vaddr
  view.setBigUint64(88, LOAD_ADDRESS, true); // p_paddr
  view.setBigUint64(96, BigInt(bytes.length), true); // p_filesz
  view.setBigUint64(104, BigInt(bytes.length), true); // p_memsz
  view.setBigUint64(112, 0x10000n, true); // p_align
  bytes.set(instructions, HEADERS);
  return joined(bytes, data);
}

function joined(program: Uint8Array, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(program.length + data.length);
  bytes.set(program);
  bytes.set(data, program.length);
  return bytes;
}
