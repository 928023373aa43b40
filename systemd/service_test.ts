/** Holds the unit against systemd's own tools. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";

const UNIT = fileURLToPath(new URL("aegisbpf.service", import.meta.url));
const VERSION = systemdVersion();

function systemdVersion(): number {
  try {
    const { stdout } = new Deno.Command("systemd-analyze", { args: ["--version"] }).outputSync();
    return Number(/^systemd (\d+)/.exec(new TextDecoder().decode(stdout))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function analyze(...args: string[]): { code: number; text: string } {
  const { code, stdout, stderr } = new Deno.Command("systemd-analyze", { args }).outputSync();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** Values of a setting, in order. */
function settings(name: string): string[] {
  const lines = Deno.readTextFileSync(UNIT).split("\n");
  return lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));
}

Deno.test("aegisbpf.service is a unit that systemd takes without a word", { ignore: VERSION === 0 }, () => {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-unit-" });
  try {
    // The program need not be installed for this.
    const unit = `${folder}/aegisbpf.service`;
    Deno.writeTextFileSync(unit, Deno.readTextFileSync(UNIT).replace("/usr/bin/aegisbpf", "/bin/true"));
    deepStrictEqual(analyze("verify", "--man=no", unit), { code: 0, text: "" });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

// --offline came with 250.
Deno.test("aegisbpf.service is exposed by at most 4.0", { ignore: VERSION < 250 }, () => {
  const { code, text } = analyze("security", "--offline=true", "--no-pager", "--threshold=40", UNIT);
  const [, exposure = ""] = /exposure level for \S+: ([\d.]+)/.exec(text) ?? [];
  ok(Number(exposure) > 0 && Number(exposure) <= 4.0, text);
  strictEqual(code, 0);
});

Deno.test("aegisbpf.service hides no file that rules may name, and lets the runtime compile", () => {
  for (
    const name of ["ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateUsers", "MemoryDenyWriteExecute"]
  ) {
    deepStrictEqual(settings(name), [], name);
  }
});

Deno.test("aegisbpf.service does not start again what would end the same way", () => {
  deepStrictEqual(settings("RestartPreventExitStatus"), ["2 3 4 5"]);
  deepStrictEqual(settings("Restart"), ["on-failure"]);
  ok(Number(settings("WatchdogSec")[0]) >= 10, "the heart beats once a second, and may be late");
});

Deno.test("aegisbpf.default names the options that the unit passes on", () => {
  const text = Deno.readTextFileSync(UNIT.replace(/service$/, "default"));
  match(text, /^AEGISBPF_OPTIONS=$/m);
  match(settings("ExecStart")[0] ?? "", /^\/usr\/bin\/aegisbpf run \$AEGISBPF_OPTIONS$/);
});
