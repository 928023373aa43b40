/**
 * What docs/fleet.md shows, on this machine's own kernel: the agent as a DaemonSet's manifest starts it, and the script that pulls
 * policy, as it stands there.
 *
 *   deno run --allow-all tests/host/fleet.ts --agent PATH [--only PART-OF-A-NAME]
 *
 * Prints a line of JSON for each case.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { KeyFolder } from "../../src/policy/signature/testing.ts";
import { type Cases, type Ended, type Host, runCases } from "./installation.ts";

const { values } = parseArgs({
  options: { agent: { type: "string", default: "" }, only: { type: "string", default: "" } },
});

/** The one block of the page in a language. */
function shown(language: string): string {
  const page = Deno.readTextFileSync(new URL("../../docs/fleet.md", import.meta.url));
  const [, block = ""] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(page) ?? [];
  return block;
}

/** Kernels' and setpriv's names for what older versions of setpriv do not know. */
const NUMBERS: Readonly<Record<string, string>> = { PERFMON: "cap_38", BPF: "cap_39" };

/** The script over an installation: a `curl` that copies, an `is-well` that says what it is told. */
class Pull {
  readonly #host: Host;
  readonly #folder: string;

  constructor(host: Host) {
    this.#host = host;
    this.#folder = `${host.folder}/pull`;
    for (const name of ["bin", "from", "dir"]) Deno.mkdirSync(`${this.#folder}/${name}`, { recursive: true });
    Deno.symlinkSync(host.agent, `${this.#folder}/bin/aegisbpf`);
    this.#program("bin/curl", 'while [ "$1" != -o ]; do shift; done; cp "$3" "$2"');
    const script = shown("sh").replace(/^from=.*$/m, `from=${this.#folder}/from`)
      .replace(/^dir=.*$/m, `dir=${this.#folder}/dir`).replace("sleep 300", "sleep 0")
      .replace("/etc/aegisbpf/is-well", `${this.#folder}/is-well`);
    Deno.writeTextFileSync(`${this.#folder}/script`, script);
  }

  /** Publishes the host's policy file and its signature. */
  publish(): void {
    for (const end of ["", ".sig"]) {
      Deno.copyFileSync(`${this.#host.policy}${end}`, `${this.#folder}/from/policy.yaml${end}`);
    }
  }

  async run(isWell: boolean): Promise<Ended> {
    this.#program("is-well", `exit ${isWell ? 0 : 1}`);
    const { code, stderr } = await new Deno.Command("sh", {
      args: [`${this.#folder}/script`],
      env: { ...this.#host.environment, PATH: `${this.#folder}/bin:${Deno.env.get("PATH")}` },
      stdout: "null",
    }).output();
    return { code, err: new TextDecoder().decode(stderr) };
  }

  #program(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.#folder}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o700 });
  }
}

async function serial(host: Host): Promise<number> {
  return JSON.parse((await host.ask("health", "--json")).out).policy.serial;
}

const CASES: Cases = {
  "the agent sees the node's files from a chroot, with the manifest's capabilities": async (host) => {
    const { spec: { template: { spec } } } = parse(shown("yaml"));
    const names: readonly string[] = spec.containers[0].securityContext.capabilities.add;
    const set = names.map((name) => `+${NUMBERS[name] ?? name.toLowerCase()}`).join();
    // Not in the host's folder, which is removed with all that is in it.
    const node = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "aegisbpf-node-" });
    const enter = 'node=$0 set=$1; shift; mount --rbind / "$node" && mount --make-rslave "$node" && ' +
      'exec setpriv --bounding-set=-all,"$set" --inh-caps=-all chroot "$node" "$@"';
    try {
      host.wrapper = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", enter, node, set];
      await host.start("--events", "off");
      host.wrapper = [];
      await Deno.readTextFile(host.secret);
      strictEqual(JSON.parse((await host.ask("stats", "--json")).out).audited, 1);
      const health = JSON.parse((await host.ask("health", "--json")).out);
      deepStrictEqual([health.ok, health.policy.waiting], [true, 0], JSON.stringify(health));
      ok(host.pinned);
      strictEqual(await host.end(), 0);
    } finally {
      Deno.removeSync(node);
    }
  },

  "the script takes a policy that the host is well with, and no other": async (host) => {
    using keys = new KeyFolder();
    await keys.key("alice");
    const etc = `${host.folder}/root/etc/aegisbpf`;
    Deno.mkdirSync(etc, { recursive: true });
    Deno.writeTextFileSync(`${etc}/config.yaml`, "require_signature: true\n", { mode: 0o600 });
    const signers = `alice@example.com ${keys.publicKey("alice")}\n`;
    Deno.writeTextFileSync(`${etc}/allowed_signers`, signers, { mode: 0o600 });
    const sign = () => host.ask("policy", "sign", host.policy, "--key", `${keys.path}/alice`);
    strictEqual((await sign()).code, 0);
    await host.start("--events", "off");
    const pull = new Pull(host);
    const write = async (number: number) => {
      host.write(number);
      strictEqual((await sign()).code, 0);
      pull.publish();
    };

    await write(2);
    const taken = await pull.run(true);
    deepStrictEqual([taken.code, await serial(host)], [0, 2], taken.err);
    strictEqual((await host.ask("policy", "confirm")).code, 1, "it was confirmed already");
    strictEqual((await pull.run(false)).code, 0, "what was tried is not tried again");

    await write(3);
    Deno.writeTextFileSync(`${host.folder}/pull/from/policy.yaml`, "# altered\n", { append: true });
    const altered = await pull.run(true);
    deepStrictEqual([altered.code, await serial(host)], [5, 2], altered.err);
    match(altered.err, /does not fit/);

    pull.publish();
    strictEqual((await pull.run(false)).code, 1);
    const { reasons } = JSON.parse((await host.ask("health", "--json")).out);
    match(reasons.join(), /policy_pending/);
    strictEqual((await host.ask("policy", "rollback")).code, 0);
    strictEqual(await serial(host), 2);
  },
};

await runCases("fleet", CASES, { agent: values.agent, only: values.only });
