import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { OP } from "./layout.ts";

const top = new URL("../../", import.meta.url).pathname;

Deno.test({
  name: "layout.ts is what the BTF of build/aegis.bpf.o says (needs bpftool)",
  ignore: !hasBpftool(),
  fn() {
    const { code, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", "--no-check", `${top}scripts/layout.ts`, "--check"],
    }).outputSync();
    strictEqual(code, 0, new TextDecoder().decode(stderr));
  },
});

Deno.test("OP counts its operations from 0 without a hole", () => {
  const { OPS, ...operations } = OP;
  deepStrictEqual(Object.values(operations), Array.from({ length: OPS }, (_, index) => index));
});

function hasBpftool(): boolean {
  try {
    return new Deno.Command("bpftool", { args: ["version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
