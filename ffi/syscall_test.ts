import { deepEqual, equal } from "node:assert/strict";
import { libc } from "./libc.ts";
import { runProgram, systemCall } from "./syscall.ts";

libc();
// Both libraries stay open until the process ends.
systemCall("close", -1);

Deno.test("systemCall() answers what the kernel returned", () => {
  const fd = systemCall("openat", -100, "/proc/self/stat", 0, 0);
  try {
    const bytes = new Uint8Array(8);
    equal(systemCall("read", fd, bytes, bytes.length), 8);
    equal(new TextDecoder().decode(bytes).split(" ")[0], String(Deno.pid).slice(0, 8));
  } finally {
    equal(systemCall("close", fd), 0);
  }
});

Deno.test("systemCall() answers the negative error number", () => {
  equal(systemCall("openat", -100, "/nonexistent", 0, 0), -2);
  equal(systemCall("close", -1), -9);
});

Deno.test("runProgram() says how the program ended, or why it was not executed", () => {
  deepEqual(runProgram("/bin/sh", ["sh", "-c", "exit 42"]), { exit: 42 });
  deepEqual(runProgram("/bin/sh", ["sh", "-c", "kill -9 $$"]), { signal: 9 });
  equal(runProgram("/nonexistent", ["x"]), 2);
});
