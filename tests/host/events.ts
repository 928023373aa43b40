/**
 * The recorder with a real agent on this machine's own kernel: what a full disk, a read-only folder and kill -9 do to it, to the
 * counts and to what `health` says; and that `events` reads what is left.
 *
 *   deno run --allow-all tests/host/events.ts --agent PATH [--only PART-OF-A-NAME]
 *
 * Prints a line of JSON for each case.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parseArgs } from "node:util";
import { mount, unmount } from "../../ffi/libc.ts";
import { recordNumbers, recordPath } from "../../src/events/record_files.ts";
import { type Cases, type Host, runCases } from "./installation.ts";

const { values } = parseArgs({
  options: { agent: { type: "string", default: "" }, only: { type: "string", default: "" } },
});

const MS_RDONLY = 1;
const MS_REMOUNT = 32;

function folderOf(host: Host): string {
  return `${host.environment.AEGISBPF_ROOT}/var/lib/aegisbpf/events`;
}

/** A disk of its own for the recorder. */
class Disk implements Disposable {
  readonly path: string;

  constructor(host: Host, kib: number) {
    this.path = folderOf(host);
    Deno.mkdirSync(this.path, { recursive: true });
    mount("tmpfs", this.path, "tmpfs", 0, `size=${kib}k,mode=0700`);
  }

  set readOnly(readOnly: boolean) {
    mount("tmpfs", this.path, "tmpfs", MS_REMOUNT | (readOnly ? MS_RDONLY : 0), "");
  }

  [Symbol.dispose](): void {
    unmount(this.path, { detach: true });
  }
}

/** Files that the policy watches. */
function watched(host: Host, count: number): string[] {
  const paths = Array.from({ length: count }, (_, index) => `${host.folder}/file${index}`);
  for (const path of paths) Deno.writeTextFileSync(path, "");
  host.write(1, paths);
  return paths;
}

interface Check {
  readonly ok: boolean;
  readonly detail: string;
}

async function recorderCheck(host: Host): Promise<Check> {
  const { checks } = JSON.parse((await host.ask("health", "--json")).out);
  return checks.find(({ name }: { name: string }) => name === "recorder");
}

async function audited(host: Host): Promise<number> {
  return JSON.parse((await host.ask("stats", "--json")).out).audited;
}

async function recorded(host: Host): Promise<{ readonly id: string; readonly count: number }[]> {
  const { code, out, err } = await host.ask("events", "--json");
  strictEqual(code, 0, err);
  const events = out.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  return events.filter(({ action }) => action === "audit");
}

const CASES: Cases = {
  "a full disk costs lines and no count, is told by health, and is over when there is room": async (host) => {
    using disk = new Disk(host, 64);
    const paths = watched(host, 400);
    await host.start("--events", "off", "--record", "1M");
    for (const path of paths) Deno.readTextFileSync(path);
    await host.until(async () => /no-space/.test((await recorderCheck(host)).detail), "the disk to be full");
    const full = await recorderCheck(host);
    strictEqual(full.ok, false, full.detail);
    strictEqual((await host.ask("health")).code, 1);
    strictEqual(await audited(host), 400);
    for (const { name } of Deno.readDirSync(disk.path)) Deno.removeSync(`${disk.path}/${name}`);
    await host.until(async () => {
      Deno.readTextFileSync(paths[0] ?? "");
      await new Promise((resolve) => setTimeout(resolve, 500));
      return (await recorderCheck(host)).ok;
    }, "the recorder to write again");
    match((await recorderCheck(host)).detail, /not written: \d+ \(no-space\)/);
    ok((await recorded(host)).length > 0);
  },

  "a read-only folder keeps no agent from starting, and is told": async (host) => {
    using disk = new Disk(host, 1024);
    disk.readOnly = true;
    watched(host, 1);
    await host.start("--events", "off");
    Deno.readTextFileSync(`${host.folder}/file0`);
    await host.until(async () => /read-only/.test((await recorderCheck(host)).detail), "the drop");
    strictEqual(await audited(host), 1);
    disk.readOnly = false;
    await host.until(async () => {
      Deno.readTextFileSync(`${host.folder}/file0`);
      await new Promise((resolve) => setTimeout(resolve, 1100));
      return (await recorderCheck(host)).ok;
    }, "the recorder to write again");
  },

  "what was recorded before kill -9 is there for the next agent and without one; half a line is passed over":
    async (
      host,
    ) => {
      const paths = watched(host, 20);
      await host.start("--events", "off");
      for (const path of paths) Deno.readTextFileSync(path);
      await host.until(async () => (await recorded(host)).length === 20, "the events");
      await host.end("SIGKILL");
      strictEqual((await recorded(host)).length, 20);
      const folder = folderOf(host);
      const [number = 0] = recordNumbers(folder);
      Deno.writeTextFileSync(recordPath(folder, number), '{"v":1,"id":"half', { append: true });
      Deno.readTextFileSync(paths[0] ?? "");
      await host.start("--events", "off");
      Deno.readTextFileSync(paths[1] ?? "");
      const counts = async () => (await recorded(host)).reduce((sum, { count }) => sum + count, 0);
      await host.until(async () => await counts() === 22, "each decision to be in one event");
      strictEqual((await host.ask("events")).err, "", "nothing is damaged any more");
      const ids = (await recorded(host)).map(({ id }) => id);
      strictEqual(new Set(ids).size, ids.length);
      const explained = await host.ask("explain", "--event", ids[0] ?? "", "--json");
      strictEqual(explained.code, 0, explained.err);
      deepStrictEqual(JSON.parse(explained.out).event.id, ids[0]);
    },

  "nothing is recorded with --record off": async (host) => {
    watched(host, 1);
    await host.start("--events", "off", "--record", "off");
    Deno.readTextFileSync(`${host.folder}/file0`);
    strictEqual(await audited(host), 1);
    strictEqual((await host.ask("events")).code, 1);
  },
};

await runCases("events", CASES, values);
