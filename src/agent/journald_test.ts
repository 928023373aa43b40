import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { decisionEvent } from "../events/test_support.ts";
import { JournalSink } from "./event_sink.ts";

const JOURNALD = "/usr/lib/systemd/systemd-journald";
const PATIENCE_MS = 20_000;

/** A journald of its own, in a mount namespace with an empty /run; it reads no kernel messages. */
class Journald implements AsyncDisposable {
  readonly #child = new Deno.Command("unshare", {
    args: ["--mount", "--propagation", "private", "sh", "-c", SCRIPT],
    stdout: "null",
    stderr: "null",
  }).spawn();

  get #run(): string {
    return `/proc/${this.#child.pid}/root/run`;
  }

  get socket(): string {
    return `${this.#run}/systemd/journal/socket`;
  }

  /** What it has of this program, as `journalctl` reads it. */
  async entries(): Promise<Record<string, unknown>[]> {
    const args = ["-D", `${this.#run}/log/journal`, "-o", "json", "--all", "-t", "aegisbpf"];
    const { stdout } = await new Deno.Command("journalctl", { args, stderr: "null" }).output();
    const text = new TextDecoder().decode(stdout);
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

const SCRIPT = `mount -t tmpfs tmpfs /run &&
  mkdir -p /run/log/journal /run/systemd/journal /run/systemd/journald.conf.d &&
  printf '[Journal]\\nAudit=no\\nReadKMsg=no\\n' >/run/systemd/journald.conf.d/test.conf &&
  exec ${JOURNALD}`;

async function until<T>(look: () => Promise<T | undefined> | T | undefined, what: string): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Waited too long for ${what}`);
}

function exists(path: string): true | undefined {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return undefined;
  }
}

Deno.test({
  name: "a real journald takes every field as it is, newlines and all",
  ignore: Deno.uid() !== 0 || !exists(JOURNALD),
  fn: async () => {
    await using journald = new Journald();
    await until(() => exists(journald.socket), "journald");
    const sink = new JournalSink(journald.socket);
    const plain = decisionEvent();
    const nasty = decisionEvent({
      id: "b-1",
      file: { ...plain.file, path: "/tmp/a\nPRIORITY=0\n=\u00e9" },
      count: 7,
    });
    for (const event of [plain, nasty]) sink.emit(event, JSON.stringify(event));
    await sink.close();
    const entries = await until(async () => {
      const found = await journald.entries();
      return found.length === 2 ? found : undefined;
    }, "both entries");
    deepStrictEqual(
      entries.map((entry) => [entry.AEGISBPF_ID, entry.AEGISBPF_RULE, entry.PRIORITY, entry.AEGISBPF_COUNT]),
      [["a-0", "tls-keys", "4", "1"], ["b-1", "tls-keys", "4", "7"]],
    );
    strictEqual(entries[1]?.AEGISBPF_PATH, nasty.file.path);
    deepStrictEqual(entries.map(({ AEGISBPF_EVENT }) => JSON.parse(String(AEGISBPF_EVENT))), [plain, nasty]);
    strictEqual(sink.drops.total, 0);
  },
});
