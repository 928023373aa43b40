import { equal } from "node:assert/strict";
import { TestHost } from "./test_support.ts";

async function script(shell: string): Promise<string> {
  using host = new TestHost();
  equal(await host.run(`completions ${shell}`), 0);
  return host.out;
}

async function run(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  if (!success || stderr.length > 0) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

/** What bash offers for the last of the words. */
async function bash(...words: string[]): Promise<string> {
  const ask = `${await script("bash")}
compopt() { :; }
COMP_WORDS=(aegisbpf ${words.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${words.length}
_aegisbpf
echo "\${COMPREPLY[*]}"`;
  return await run("bash", ["--norc", "-uc", ask]);
}

Deno.test("bash completes commands, options, choices and files", async () => {
  equal(await bash("h"), "health");
  equal(await bash("--v"), "--version");
  equal(await bash("policy", "sch"), "schema");
  equal(await bash("policy", "apply", "--f"), "--force");
  equal(await bash("run", "--mode", ""), "enforce audit");
  equal(await bash("run", "--mode", "audit", "--fall"), "--fallback");
  equal(await bash("completions", "z"), "zsh");
  equal(await bash("policy", "validate", "/etc/hostn"), "/etc/hostname");
  equal(await bash("policy", "validate", "--j"), "--json");
  equal(await bash("run", "--policy", "/etc/hostn"), "/etc/hostname");
});

const zsh = findProgram("zsh");
Deno.test({
  name: "completions zsh prints a script that zsh reads",
  ignore: zsh === undefined,
  fn: async () => {
    await run(zsh ?? "", ["-n", "-c", await script("zsh")]);
  },
});

const fish = findProgram("fish");
Deno.test({
  name: "fish completes commands, options and choices",
  ignore: fish === undefined,
  fn: async () => {
    const source = await script("fish");
    const offered = async (line: string) => {
      const text = await run(fish ?? "", ["--no-config", "-c", `${source}\ncomplete -C '${line}'`]);
      return text.split("\n").map((candidate) => candidate.split("\t")[0]).join(" ");
    };
    equal(await offered("aegisbpf h"), "health");
    equal(await offered("aegisbpf policy sch"), "schema");
    equal(await offered("aegisbpf run --mode "), "audit enforce");
    equal(await offered("aegisbpf run --mode audit --fall"), "--fallback");
    equal(await offered("aegisbpf policy validate /etc/hostn"), "/etc/hostname");
  },
});

Deno.test("completions name every command for each shell", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const text = await script(shell);
    for (const word of ["health", "validate", "detach-on-exit", "fmod_ret"]) {
      equal(text.includes(word), true, `${shell}: ${word}`);
    }
  }
});

function findProgram(name: string): string | undefined {
  return ["/usr/bin", "/bin", "/usr/local/bin"].map((folder) => `${folder}/${name}`).find(exists);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
