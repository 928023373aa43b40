/**
 * Which files the executable touches, as strace sees it: none with a name that somebody else could have put there first. audit.ts
 * runs this in a mount namespace of its own.
 *
 *   deno run --allow-all tests/host/files.ts --agent PATH [--only PART-OF-A-NAME]
 *
 * Prints a line of JSON for each case.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { type Cases, type Host, runCases, Skip } from "./installation.ts";

const { values } = parseArgs({
  options: { agent: { type: "string", default: "" }, only: { type: "string", default: "" } },
});

const CASES: Cases = {
  "nothing has a predictable name in a folder that everybody may write to": async (host) => {
    const trace = new Trace(host);
    await host.start("--events", `${host.folder}/events.jsonl`, "--metrics", "127.0.0.1:0");
    Deno.readTextFileSync(host.secret);
    for (const command of COMMANDS) {
      const { code, err } = await host.ask(...command);
      ok(code <= 1, `${command.join(" ")}: ${err}`);
    }
    host.write(2);
    for (const command of [["validate"], ["apply"], ["diff", host.policy]]) {
      const { code, err } = await host.ask("policy", ...command, host.policy);
      strictEqual(code, 0, err);
    }
    strictEqual((await host.ask("explain", host.secret)).code, 0);
    strictEqual((await host.ask("emergency", "disable", "--reason", "files")).code, 0);
    strictEqual(await host.end(), 0);
    await host.again("--events", "off", "--detach-on-exit");
    strictEqual(await host.end(), 0);
    const lines = await trace.lines();
    ok(lines.some((line) => line.includes(`"${host.policy}"`)), "the policy's name is not in the trace");
    deepStrictEqual(trace.predictable(lines), []);
  },

  "strace shows what is read below such a folder": async (host) => {
    const trace = new Trace(host);
    strictEqual((await host.ask("policy", "validate", "/var/tmp/predictable/policy.yaml")).code, 2);
    const found = trace.predictable(await trace.lines());
    ok(found.some((line) => line.includes('"/var/tmp/predictable/policy.yaml"')), found.join("\n"));
  },
};

/** What is asked of an agent; they may say no. */
const COMMANDS: readonly (readonly string[])[] = [
  ["--version"],
  ["health"],
  ["health", "--json"],
  ["stats"],
  ["events"],
  ["doctor"],
  ["policy", "show"],
  ["policy", "history"],
];

/** The calls by which a host's commands name files. */
class Trace {
  readonly #host: Host;

  constructor(host: Host) {
    if (spawnSync("strace", ["-V"]).status !== 0) throw new Skip("strace is not installed");
    this.#host = host;
    // -D: the command is the child itself, so that signals reach it. A trace for each process, since several run at a time.
    const options = ["-D", "-ff", "-y", "-s", "4096", "-e", "trace=%file,connect,bind", "-e", "signal=none"];
    host.wrapper = ["strace", ...options, "-o", `${host.folder}/trace`];
  }

  /** All of them, once each process has come to its end. */
  async lines(): Promise<string[]> {
    let texts: string[] = [];
    await this.#host.until(() => {
      const names = [...Deno.readDirSync(this.#host.folder)].map(({ name }) => name);
      texts = names.filter((name) => name.startsWith("trace.")).map((name) =>
        Deno.readTextFileSync(`${this.#host.folder}/${name}`)
      );
      return texts.length > 0 && texts.every((text) => /^\+\+\+ .* \+\+\+\n$/m.test(text));
    }, "strace to end");
    return texts.flatMap((text) => text.split("\n"));
  }

  /**
   * The calls that name something below a folder that everybody may write to: not this test's own files and the executable,
   * nor a folder that was made there, for root alone, under a random name (doctor's for a moment).
   */
  predictable(lines: readonly string[]): string[] {
    const made = lines.flatMap((line) => MADE_WITH_RANDOM_NAME.exec(line)?.[1] ?? []);
    const own = [this.#host.folder, this.#host.bpffs.path, dirname(this.#host.agent), ...made];
    const isOwn = (path: string) => own.some((folder) => within(path, folder) || within(folder, path));
    return lines.filter((line) => [...line.matchAll(SHARED_FOLDER)].some(([, path = ""]) => !isOwn(path)));
  }
}

const MADE_WITH_RANDOM_NAME = /^mkdir\("([^"]*-[0-9a-f]{12,})", 0700\) = 0$/;
const SHARED_FOLDER = /["<](\/(?:tmp|var\/tmp|dev\/shm|run\/lock)\/[^">]*)/g;

function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

await runCases("files", CASES, values);
