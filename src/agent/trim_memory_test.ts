import { deepStrictEqual } from "node:assert/strict";
import { libc } from "../../ffi/libc.ts";
import { systemCall } from "../../ffi/syscall.ts";
import { droppable, keepTrim, trimMemory } from "./trim_memory.ts";

// They stay open until the process ends; opened within a test they would count as leaks of that test.
libc();
systemCall("close", -1);

function mapping(range: string, access: string, path: string, anonymous: number): string {
  return `${range} ${access} 00001000 fe:00 12                  ${path}\nRss: 8 kB\nAnonymous:             ${anonymous} kB\n`;
}

Deno.test("droppable() takes what is the file's and cannot be lost", () => {
  const smaps = [
    mapping("1000-3000", "r--p", "/usr/bin/aegisbpf", 0),
    mapping("3000-5000", "r-xp", "/usr/bin/aegisbpf", 0),
    mapping("5000-6000", "r--p", "/usr/bin/aegisbpf", 4),
    mapping("6000-7000", "rw-p", "/usr/bin/aegisbpf", 0),
    mapping("7000-8000", "r-xp", "/usr/lib/libc.so.6", 0),
    "8000-9000 r--p 00000000 00:00 0 \nAnonymous:             0 kB\n",
  ].join("");
  deepStrictEqual(droppable(smaps, "/usr/bin/aegisbpf"), [
    { start: 0x1000n, length: 0x2000n },
    { start: 0x3000n, length: 0x2000n },
  ]);
});

Deno.test("trimMemory() leaves a process that works", () => {
  trimMemory();
  deepStrictEqual(JSON.parse(JSON.stringify({ a: [1, 2n ** 60n > 1n] })), { a: [1, true] });
});

Deno.test("keepTrim() trims once after each change, until it is aborted", async () => {
  const global = globalThis as { gc?: (() => void) | undefined };
  const [before, abort] = [global.gc, new AbortController()];
  let [generation, collected] = [1n, 0];
  global.gc = () => collected++;
  const soon = async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return collected;
  };
  try {
    keepTrim(() => generation, abort.signal, 5);
    deepStrictEqual(await soon(), 1);
    generation = 2n;
    deepStrictEqual(await soon(), 2);
    abort.abort();
    generation = 3n;
    deepStrictEqual(await soon(), 2);
  } finally {
    global.gc = before;
  }
});
