import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { BpfObject } from "../../ffi/object.ts";
import "../../ffi/test_support.ts";
import { loadAsset } from "./assets.ts";
import {
  backendNumber,
  backendOfNumber,
  BACKENDS,
  canEnforce,
  hookOfProgram,
  hookProgram,
  HOOKS,
  OPTIONAL_HOOKS,
  programKind,
  programsOf,
} from "./backend.ts";

Deno.test("backendOfNumber() gives back the backend of each number, and nothing for others", () => {
  deepStrictEqual(BACKENDS.map((backend) => backendOfNumber(backendNumber(backend))), [...BACKENDS]);
  deepStrictEqual([backendOfNumber(0), backendOfNumber(99)], [undefined, undefined]);
});

Deno.test("canEnforce() holds for the first two backends only", () => {
  deepStrictEqual(BACKENDS.map(canEnforce), [true, true, false, false]);
});

Deno.test("programKind() is the kind of the programs that decide about opens", () => {
  using object = BpfObject.open(loadAsset("aegis.bpf.o"), "aegis");
  for (const backend of BACKENDS.filter((backend) => backend !== "tracepoint")) {
    const [{ type, attachType } = { type: 0, attachType: 0 }] = programsOf(backend).map((name) =>
      object.program(name)
    );
    deepStrictEqual(programKind(backend), { type, attachType }, backend);
  }
});

Deno.test("programsOf() and hookProgram() name programs that the object has", () => {
  using object = BpfObject.open(loadAsset("aegis.bpf.o"), "aegis");
  const names = new Set(object.programs().map(({ name }) => name));
  for (const backend of BACKENDS) {
    for (const program of programsOf(backend)) {
      ok(names.has(program), program);
      strictEqual(hookOfProgram(program), undefined, program);
    }
    for (const hook of HOOKS) {
      const program = hookProgram(backend, hook);
      if (program === undefined) {
        strictEqual(backend, "tracepoint", hook);
        continue;
      }
      ok(names.has(program), program);
      strictEqual(hookOfProgram(program), hook);
    }
  }
});

Deno.test("OPTIONAL_HOOKS are hooks", () => {
  ok(OPTIONAL_HOOKS.every((hook) => HOOKS.includes(hook)));
});
