import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { filterSlot } from "./control.ts";
import { AEGIS, ENTRY, IDENTITY, KEY, RULE } from "./layout.ts";
import {
  deviceNumber,
  deviceText,
  identityTail,
  identityText,
  nameHash,
  readEntry,
  readIdentity,
  readKey,
  readRule,
  viewOf,
  writeEntry,
  writeIdentity,
  writeKey,
  writeRule,
} from "./packed.ts";

const NAMES = [
  "",
  "a",
  "key",
  "1234567",
  "12345678",
  "123456789",
  "shadow.new",
  "Schlüssel-ä-😀",
  "x".repeat(16),
  "y".repeat(254),
  "z".repeat(255),
];

const INODES = [0n, 1n, 2n, 131_074n, 0xffff_ffffn, 0x1_0000_0000n, 0x1234_5678_9abc_def0n, 2n ** 64n - 1n];

Deno.test("nameHash() and filterSlot() are what the functions of the kernel side compute", () => {
  const reference = runReference([
    ...NAMES.map((name) => `hash ${new TextEncoder().encode(name).toHex()}.`),
    ...INODES.map((ino) => `slots ${ino}`),
  ]);
  const bits = [AEGIS.FILE_FILTER_BITS, AEGIS.DIR_FILTER_BITS, AEGIS.PLACE_FILTER_BITS];
  deepStrictEqual(reference, [
    ...NAMES.map((name) => nameHash(name).toString()),
    ...INODES.map((ino) => bits.map((count) => filterSlot(ino, count)).join(" ")),
  ]);
});

Deno.test("nameHash() differs for names that differ in a NUL at the end or in order", () => {
  const hashes = new Set(["a", "a\0", "ab", "ba", "12345678ab", "ab12345678"].map(nameHash));
  strictEqual(hashes.size, 6);
});

Deno.test("identityText() shows device, inode and generation", () => {
  const dev = deviceNumber(259, 1_048_575);
  strictEqual(identityText({ ino: 2n ** 64n - 1n, dev, gen: 7 }), "259:1048575:18446744073709551615:7");
});

Deno.test("deviceNumber() stays positive for the largest major", () => {
  strictEqual(deviceNumber(4095, 0xfffff), 0xffff_ffff);
  strictEqual(deviceText(0xffff_ffff), "4095:1048575");
});

Deno.test("identityTail() puts the device above the generation", () => {
  strictEqual(identityTail({ dev: 0xffff_ffff, gen: 0xffff_fffe }), 0xffff_ffff_ffff_fffen);
  strictEqual(identityTail({ dev: 1, gen: 0 }), 0x1_0000_0000n);
});

Deno.test("each reader gives back what its writer wrote", () => {
  const view = viewOf(new Uint8Array(64).fill(0xee));
  const identity = { ino: 2n ** 64n - 2n, dev: 0xffff_fff0, gen: 0xffff_fff1 };
  writeIdentity(view, 8, identity);
  deepStrictEqual(readIdentity(view, 8), identity);
  const key = { kind: 7, a: 2n ** 63n, b: 3n, slot: 15 };
  writeKey(view, 0, key);
  deepStrictEqual(readKey(view), key);
  const entry = { rule: AEGIS.NO_RULE, node: 9, mask: 1n << 63n };
  writeEntry(view, 0, entry);
  deepStrictEqual(readEntry(view), entry);
  const rule = { scopes: 1n << 63n, exceptScopes: 5n, number: 0xffff_ffff, ops: 0xff, flags: 3, signal: 15 };
  writeRule(view, 0, rule);
  deepStrictEqual(readRule(view), rule);
});

Deno.test("each writer stays within the size of its structure", () => {
  const sizes = { IDENTITY: IDENTITY.SIZE, KEY: KEY.SIZE, ENTRY: ENTRY.SIZE, RULE: RULE.SIZE };
  const write: Record<keyof typeof sizes, (view: DataView) => void> = {
    IDENTITY: (view) => writeIdentity(view, 0, { ino: 0n, dev: 0, gen: 0 }),
    KEY: (view) => writeKey(view, 0, { kind: 0, a: 0n, b: 0n, slot: 0 }),
    ENTRY: (view) => writeEntry(view, 0, { rule: 0, node: 0, mask: 0n }),
    RULE: (view) =>
      writeRule(view, 0, { scopes: 0n, exceptScopes: 0n, number: 0, ops: 0, flags: 0, signal: 0 }),
  };
  for (const [name, size] of Object.entries(sizes)) {
    const bytes = new Uint8Array(64).fill(0xee);
    write[name as keyof typeof sizes](viewOf(bytes));
    deepStrictEqual([...bytes], [...new Uint8Array(size), ...new Uint8Array(64 - size).fill(0xee)], name);
  }
});

Deno.test("viewOf() sees only the bytes of a part of a buffer", () => {
  const whole = Uint8Array.of(1, 2, 3, 4, 5);
  const view = viewOf(whole.subarray(1, 3));
  deepStrictEqual([view.byteLength, view.getUint8(0), view.getUint8(1)], [2, 2, 3]);
});

/** Answers of the C functions themselves, cut out of the kernel side's source and compiled for this machine. */
function runReference(questions: readonly string[]): string[] {
  const bpf = new URL("../../bpf/", import.meta.url).pathname;
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-reference-" });
  try {
    const program = `${folder}/reference`;
    Deno.writeTextFileSync(`${program}.c`, referenceSource(bpf));
    const compiler = new Deno.Command("clang", { args: ["-O1", `-I${bpf}`, "-o", program, `${program}.c`] })
      .outputSync();
    if (!compiler.success) throw new Error(new TextDecoder().decode(compiler.stderr));
    Deno.writeTextFileSync(`${program}.in`, questions.join("\n") + "\n");
    const { stdout } = new Deno.Command("sh", { args: ["-c", `"${program}" <"${program}.in"`] }).outputSync();
    return new TextDecoder().decode(stdout).trimEnd().split("\n");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function referenceSource(bpf: string): string {
  const places = Deno.readTextFileSync(`${bpf}places.h`);
  const decide = Deno.readTextFileSync(`${bpf}decide.h`);
  const cut = (text: string, start: string) => {
    const from = text.indexOf(start);
    if (from < 0) throw new Error(`Expected ${start} in bpf/`);
    return text.slice(from, text.indexOf("\n}\n", from) + 3);
  };
  return `#include <linux/types.h>
#include <stdio.h>
#include <string.h>
#include "aegis.h"
#define __always_inline inline
#define bpf_probe_read_kernel(to, size, from) memcpy(to, from, size)
#define NAME_WORDS 32
${cut(places, "__u64 hash_name(")}
${cut(decide, "static __always_inline __u32 filter_slot(")}
int main(void)
{
	static char hex[1024], name[512];
	unsigned long long ino;

	while (1) {
		if (scanf(" hash %1023[0-9a-f.]", hex) == 1) {
			size_t len = strlen(hex) / 2, i;
			for (i = 0; i < len; i++)
				sscanf(hex + 2 * i, "%2hhx", (unsigned char *)name + i);
			printf("%llu\\n", (unsigned long long)hash_name((__u64)name, len));
		} else if (scanf(" slots %llu", &ino) == 1) {
			printf("%u %u %u\\n", filter_slot(ino, AEGIS_FILE_FILTER_BITS),
			       filter_slot(ino, AEGIS_DIR_FILTER_BITS), filter_slot(ino, AEGIS_PLACE_FILTER_BITS));
		} else {
			return 0;
		}
	}
}
`;
}
