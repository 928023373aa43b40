import { ok, strictEqual } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { refusesAll } from "./program_types.ts";
import "./test_support.ts";

/** `BPF_PROG_TYPE_RAW_TRACEPOINT`, which every supported kernel takes. */
const RAW_TRACEPOINT = { type: 17, attachType: 0 };

Deno.test("refusesAll() tells kinds that the kernel takes", () => {
  strictEqual(refusesAll(RAW_TRACEPOINT), false);
});

Deno.test("refusesAll() does not take an unknown kind for one that is not permitted", () => {
  strictEqual(refusesAll({ type: 9999, attachType: 0 }), false);
});

Deno.test("refusesAll() tells when this process may load none", () => {
  const module = new URL("program_types.ts", import.meta.url).href;
  const script = `import { refusesAll } from ${JSON.stringify(module)};
    console.log(refusesAll(${JSON.stringify(RAW_TRACEPOINT)}));`;
  const { stdout, stderr } = spawnSync("setpriv", [
    "--bounding-set=-all",
    "--inh-caps=-all",
    Deno.execPath(),
    "run",
    "--allow-all",
    "--no-check",
    "--quiet",
    `data:text/typescript,${encodeURIComponent(script)}`,
  ], { encoding: "utf8" });
  ok(stdout.trim() === "true", `${stdout}${stderr}`);
});
