/** Holds the documents against the tree: links, files, named tests, commands, and what docs/fleet.md shows. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { buildProgram } from "../src/cli/command_line.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { type CommandInfo, commandInfo } from "../src/cli/command_info.ts";
import { TestHost } from "../src/cli/test_support.ts";
import { KERNELS, kernelsOf } from "../tests/vm/guests.ts";

const TOP = new URL("../", import.meta.url);
const PAGES = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/vm/README.md", "tests/fuzz/README.md"],
  ...[...Deno.readDirSync(new URL("docs/", TOP))].map(({ name }) => `docs/${name}`).filter((name) =>
    name.endsWith(".md")
  ),
].sort();
const FENCED = /^```(\w*)\n(.*?)^```$/gms;

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, TOP));
}

function exists(path: string | URL): boolean {
  try {
    return Deno.statSync(new URL(path, TOP)) !== undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

Deno.test("every link of a document leads to a file, and to a heading of it", () => {
  const broken = PAGES.flatMap((page) =>
    [...read(page).replace(FENCED, "").matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !leads(page, target))
      .map((target) => `${page}: ${target}`)
  );
  deepStrictEqual(broken, []);
});

function leads(page: string, target: string): boolean {
  const [path = "", heading] = target.split("#");
  const file = path === "" ? new URL(page, TOP) : new URL(path, new URL(page, TOP));
  if (!exists(file)) return false;
  return heading === undefined || headings(Deno.readTextFileSync(file)).includes(heading);
}

/** The anchors of a page, as GitHub makes them. */
function headings(text: string): string[] {
  return [...text.replace(FENCED, "").matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
  );
}

Deno.test("every file of the tree that a document names is there", () => {
  const missing = PAGES.flatMap((page) =>
    codes(read(page)).map((code) =>
      /^(?:tests|scripts|src|ffi|docs|dashboards|systemd|\.ci)\/[\w./-]*/.exec(code)?.[0]
    )
      .filter((path) => path !== undefined && !exists(path))
      .map((path) => `${page}: ${path}`)
  );
  deepStrictEqual(missing, []);
});

function codes(page: string): string[] {
  return [...page.replace(FENCED, "").matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}

Deno.test("every test that the threat model and the table of coverage name is there", () => {
  const missing: string[] = [];
  let seen = 0;
  for (const page of ["docs/THREAT_MODEL.md", "docs/coverage.md"]) {
    const named = /`((?:tests|src|ffi)\/[\w./-]+\.ts)`((?:,?\s+"[^"]+")+)/g;
    for (const [, file = "", names = ""] of read(page).matchAll(named)) {
      const source = read(file);
      for (const [literal, name = ""] of names.replace(/\s+/g, " ").matchAll(/"([^"]+)"/g)) {
        seen++;
        if (!source.includes(literal) && !source.includes(`\`${name}\``)) missing.push(`${file}: ${literal}`);
      }
    }
  }
  deepStrictEqual(missing, []);
  ok(seen > 40, `only ${seen} are named`);
});

Deno.test("every row of the threat model's tables of ways names a test", () => {
  const [, covered = "", round = ""] = read("docs/THREAT_MODEL.md").split(
    /^## (?:Covered|Ways round that remain)$/m,
  );
  for (const table of [covered, round]) {
    const rows = table.split("\n").filter((line) => /^\| [^-]/.test(line)).slice(1);
    ok(rows.length > 5);
    deepStrictEqual(rows.filter((row) => !/`(?:tests|src)\/[^`]+`/.test(row)), []);
  }
});

Deno.test("every row of the tables of coverage that says something is covered names a test", () => {
  const [, tables = ""] = read("docs/coverage.md").split("## By operation");
  const rows = tables.split("\n").filter((line) => /^\| [^-]/.test(line)).filter((line) =>
    !/^\| (operation|way) /.test(line)
  );
  ok(rows.length > 20);
  deepStrictEqual(
    rows.filter((row) => !/`tests\/[^`]+` "/.test(row) && !/not covered +\| not covered/.test(row)),
    [],
  );
});

Deno.test("every command and option that a document shows is one", () => {
  using host = new TestHost();
  const program = commandInfo(buildProgram(host.context, COMMANDS));
  const wrong: string[] = [];
  let seen = 0;
  for (const page of PAGES) {
    const text = read(page);
    const lines = [...blocks(text), ...codes(text)];
    for (const line of lines) {
      for (const [, words = ""] of line.matchAll(/(?:^|[\s(]|\/(?<!dist\/))(?<!-u )aegisbpf ([^#|;&)>]+)/g)) {
        seen++;
        const problem = problemOf(program, words.trim().split(/\s+/));
        if (problem) wrong.push(`${page}: aegisbpf ${words.trim()}: ${problem}`);
      }
    }
  }
  deepStrictEqual(wrong, []);
  ok(seen > 100, `only ${seen} are shown`);
});

/** Lines of blocks, fenced or indented, without their comments. */
function blocks(text: string): string[] {
  const fenced = [...text.matchAll(FENCED)].flatMap(([, language, block = ""]) =>
    language === "text" ? [] : block.split("\n")
  );
  const indented = text.replace(FENCED, "").split("\n").filter((line) => /^ {4,}/.test(line));
  return [...fenced, ...indented].map((line) => line.replace(/(^|\s)#.*/, ""));
}

function problemOf(program: CommandInfo, words: readonly string[]): string | undefined {
  let command = program;
  let isNamed = false;
  for (const word of words) {
    if (word.startsWith("-") && word !== "-") {
      const name = word.replace(/=.*/, "").replace(/[`'",:.\]]+$/, "");
      const known = [...command.options, ...program.options].some(({ names }) => names.includes(name));
      if (!known && name !== "--help" && name !== "-") return `no option ${name}`;
    } else if (!isNamed && command.commands.length > 0) {
      // A placeholder, or several commands in short.
      if (!/^[a-z-]+$/.test(word)) return undefined;
      const next = command.commands.find(({ path }) => path.at(-1) === word);
      if (next === undefined) return `no command ${word}`;
      command = next;
      isNamed = command.commands.length === 0;
    }
  }
  return undefined;
}

Deno.test("every suite of scripts/test has a row in the quality gates", () => {
  const [, suites = ""] = /^all=\((.*)\)$/m.exec(read("scripts/test")) ?? [];
  const rows = [...read("docs/QUALITY_GATES.md").matchAll(/^\| `(\w+)` /gm)].map(([, suite]) => suite);
  deepStrictEqual(rows, suites.split(" "));
});

Deno.test("every limit of the service levels is one that its benchmark has", () => {
  const rows = [...read("docs/SLO.md").matchAll(/^\| [^|]+\| ([^|]*\d[^|]*)\| `(tests\/bench\/[\w-]+)` /gm)];
  ok(rows.length > 8, `only ${rows.length} have a number`);
  for (const [row, limit = "", command = ""] of rows) {
    const number = /[\d,.]+/.exec(limit)?.[0].replaceAll(",", "") ?? "";
    const source = read(`${command}.ts`).replaceAll(/(?<=\d)_(?=\d)/g, "");
    ok(new RegExp(`(?<![\\d.])${number.replace(".", "\\.")}(?![\\d.])`).test(source), row);
  }
});

Deno.test("the kernels that are called supported are those that the guests boot", () => {
  for (const arch of ["x86_64", "aarch64"]) {
    const rows = read("docs/SUPPORT_POLICY.md").matchAll(
      new RegExp(`^\\| ([\\d., ]+) \\(Debian\\) +\\| supported, ${arch}[ ,]`, "gm"),
    );
    const supported = [...rows].flatMap(([, versions = ""]) => versions.split(", "));
    deepStrictEqual(supported, kernelsOf(arch).map((name) => KERNELS[name]?.version), arch);
  }
});

function fleetBlock(language: string): string {
  const found = [...read("docs/fleet.md").matchAll(FENCED)].filter(([, of]) => of === language);
  strictEqual(found.length, 1, language);
  return found[0]?.[2] ?? "";
}

Deno.test("the manifest gives the agent the unit's capabilities, the node's files and its processes", () => {
  const documents = parseAllDocuments(fleetBlock("yaml"));
  deepStrictEqual([...documents].flatMap(({ errors, warnings }) => [...errors, ...warnings]), []);
  const { kind, spec: { selector, template: { metadata, spec: pod } } } = documents[0]?.toJS();
  const [agent] = pod.containers;
  deepStrictEqual([kind, pod.hostPID, selector.matchLabels], ["DaemonSet", true, metadata.labels]);
  deepStrictEqual(pod.volumes, [{ name: "node", hostPath: { path: "/", type: "Directory" } }]);
  deepStrictEqual(agent.volumeMounts, [{
    ...{ name: "node", mountPath: "/host", mountPropagation: "HostToContainer" },
  }]);
  const [, unit = ""] = /^CapabilityBoundingSet=(.*)$/m.exec(read("systemd/aegisbpf.service")) ?? [];
  const { drop, add } = agent.securityContext.capabilities;
  deepStrictEqual(drop, ["ALL"]);
  deepStrictEqual(add.toSorted(), [...unit.replaceAll("CAP_", "").split(" "), "SYS_CHROOT"].sort());
  using host = new TestHost();
  const program = commandInfo(buildProgram(host.context, COMMANDS));
  for (
    const words of [
      agent.args,
      ...["readinessProbe", "livenessProbe"].map((probe) => agent[probe].exec.command.slice(3)),
    ]
  ) {
    strictEqual(problemOf(program, words), undefined);
  }
});

Deno.test("the script that pulls policy is one for sh", async () => {
  const shell = new Deno.Command("sh", { args: ["-n"], stdin: "piped", stderr: "piped" }).spawn();
  const writer = shell.stdin.getWriter();
  await writer.write(new TextEncoder().encode(fleetBlock("sh")));
  await writer.close();
  const { code, stderr } = await shell.output();
  strictEqual(code, 0, new TextDecoder().decode(stderr));
});

Deno.test("the numbers of the fleet are what the model prints", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", "--allow-env", "scripts/fleet-model.ts"],
    cwd: TOP,
    stderr: "null",
  }).output();
  strictEqual(fleetBlock("text"), new TextDecoder().decode(stdout));
});
