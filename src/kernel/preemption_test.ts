import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { isLeftOut, type PreemptionModel, preemptionOf, preempts } from "./preemption.ts";

const DYNAMIC = "Linux version 6.1.0-28-amd64 (gcc) #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1";

interface Host {
  readonly files?: Readonly<Record<string, string>>;
  readonly log?: string;
}

function found({ files = {}, log = "" }: Host) {
  return preemptionOf({
    read: (path) => files[path],
    readPacked: (path) => files[path],
    log: () => log,
  });
}

const VERSION = "/proc/version";
const DEBUG = "/sys/kernel/debug/sched/preempt";

const TABLE: readonly (readonly [string, Host, PreemptionModel, string, readonly string[]])[] = [
  [
    "debugfs",
    { files: { [VERSION]: DYNAMIC, [DEBUG]: "none (voluntary) full\n" } },
    "voluntary",
    "debugfs",
    ["voluntary", "none"],
  ],
  [
    "debugfs of a kernel with no model that does not preempt",
    { files: { [VERSION]: DYNAMIC, [DEBUG]: "full (lazy)\n" } },
    "lazy",
    "debugfs",
    [],
  ],
  [
    "an older name in debugfs",
    { files: { [VERSION]: DYNAMIC, "/sys/kernel/debug/sched_preempt": "none voluntary (full)\n" } },
    "full",
    "debugfs",
    ["voluntary", "none"],
  ],
  [
    "the log's last word",
    {
      files: { [VERSION]: DYNAMIC, "/proc/cmdline": "preempt=none" },
      log: "6,1,2,-;Dynamic Preempt: voluntary\n6,9,9,-;Dynamic Preempt: full\n",
    },
    "full",
    "the kernel's log",
    ["voluntary", "none"],
  ],
  [
    "the command line",
    { files: { [VERSION]: DYNAMIC, "/proc/cmdline": "quiet preempt=full ro\n" } },
    "full",
    "the kernel's command line",
    ["voluntary", "none"],
  ],
  [
    "the configuration in /boot",
    {
      files: {
        [VERSION]: DYNAMIC,
        "/boot/config-6.1.0-28-amd64":
          "CONFIG_X=y\nCONFIG_PREEMPT_VOLUNTARY=y\n# CONFIG_PREEMPT is not set\nCONFIG_PREEMPT_DYNAMIC=y\n",
      },
    },
    "voluntary",
    "the kernel's configuration",
    ["voluntary", "none"],
  ],
  [
    "the configuration in /proc",
    { files: { [VERSION]: DYNAMIC, "/proc/config.gz": "#\nCONFIG_PREEMPT=y\nCONFIG_PREEMPT_DYNAMIC=y\n" } },
    "full",
    "the kernel's configuration",
    ["voluntary", "none"],
  ],
  ["nothing but the version", { files: { [VERSION]: DYNAMIC } }, "dynamic", VERSION, ["voluntary", "none"]],
  [
    "a kernel from 7.0 without debugfs",
    { files: { [VERSION]: DYNAMIC.replace("6.1.0", "7.3.0"), "/proc/cmdline": "preempt=lazy" } },
    "lazy",
    "the kernel's command line",
    [],
  ],
  [
    "a kernel that cannot preempt",
    { files: { [VERSION]: "Linux version 5.10.0-33-amd64 (gcc) #1 SMP Debian" } },
    "none",
    VERSION,
    [],
  ],
  [
    "a kernel that always preempts",
    { files: { [VERSION]: "Linux version 6.1.0 (gcc) #1 SMP PREEMPT Thu" } },
    "full",
    VERSION,
    [],
  ],
  [
    "a real-time kernel",
    { files: { [VERSION]: "Linux version 6.1.0-rt (gcc) #1 SMP PREEMPT_RT Debian" } },
    "rt",
    VERSION,
    [],
  ],
  ["no /proc/version", {}, "none", VERSION, []],
];

Deno.test("preemptionOf() takes the best source that there is", () => {
  for (const [what, host, model, source, remedies] of TABLE) {
    deepStrictEqual(found(host), { model, source, remedies }, what);
  }
});

Deno.test("preemptionOf() says something of this kernel", () => {
  ok(preemptionOf().source !== "");
});

Deno.test("preempts() is no for models that wait, and yes where it is not known", () => {
  const models: PreemptionModel[] = ["none", "voluntary", "full", "lazy", "rt", "dynamic"];
  deepStrictEqual(models.filter(preempts), ["full", "lazy", "rt", "dynamic"]);
});

Deno.test("isLeftOut() knows the backends and kernels that leave programs out", () => {
  strictEqual(isLeftOut("fmod_ret", "7.3.0"), true);
  strictEqual(isLeftOut("fentry", "6.12.0"), true);
  strictEqual(isLeftOut("tracepoint", "5.10.0"), false);
  strictEqual(isLeftOut("lsm", "6.1.0-28-amd64"), true);
  strictEqual(isLeftOut("lsm", "5.15.0"), true);
  strictEqual(isLeftOut("lsm", "6.2.0"), false);
  strictEqual(isLeftOut("lsm", "6.12.57+deb13-amd64"), false);
});
