import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { openingSyscalls } from "./syscalls.ts";

const NAMES = {
  x86_64: ["execve", "execveat", "open", "openat", "openat2", "creat", "open_by_handle_at"],
  aarch64: ["execve", "execveat", "openat", "openat2", "open_by_handle_at"],
} as const;

Deno.test("openingSyscalls() has the numbers of the C library's headers on this machine", () => {
  const names = NAMES[Deno.build.arch];
  const source = ["#include <sys/syscall.h>", ...names.map((name) => `${name} = __NR_${name}`)].join("\n");
  const preprocessed = new Deno.Command("sh", {
    args: ["-c", 'printf "%s\\n" "$1" | clang -E -P -x c -', "sh", source],
  }).outputSync();
  const text = new TextDecoder().decode(preprocessed.stdout);
  const numbers = [...text.matchAll(/^\w+ = (\d+)$/gm)].map((match) => Number(match[1]));
  deepStrictEqual([...openingSyscalls()], numbers);
});

Deno.test("openingSyscalls() names each call once and fits the kernel side's list", () => {
  const source = Deno.readTextFileSync(new URL("../../bpf/aegis.bpf.c", import.meta.url));
  const slots = Number(source.match(/^#define SYSCALLS (\d+)$/m)?.[1]);
  strictEqual(source.match(/^#define EXEC_SYSCALLS (\d+)$/m)?.[1], "2");
  for (const arch of ["x86_64", "aarch64"] as const) {
    const numbers = openingSyscalls(arch);
    strictEqual(new Set(numbers).size, NAMES[arch].length);
    ok(numbers.length <= slots, arch);
  }
});
