import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { dirname } from "node:path";
import type { DoctorReport } from "./doctor.ts";
import { type Finding, HostFiles } from "./doctor_finding.ts";
import { cgroupFinding, clockFinding, memlockFinding } from "./doctor_host.ts";
import { kernelFindings } from "./doctor_kernel.ts";
import { doctorText, familyOf } from "./doctor_view.ts";
import { styleOf } from "./output.ts";
import { TestHost } from "./test_support.ts";
import { libbpf } from "../../ffi/library.ts";
import { useShippedLibbpf } from "../kernel/shipped_libbpf.ts";

// Opened within a test it would count as a leak of that test.
useShippedLibbpf();
libbpf();

/** A folder that stands for a host, with these files in it. */
class FakeHost extends HostFiles implements Disposable {
  constructor(files: Readonly<Record<string, string>>, release = "6.1.0-18-amd64") {
    super(Deno.makeTempDirSync({ prefix: "aegisbpf-doctor-" }), release);
    for (const [path, text] of Object.entries({ "/sys/kernel/btf/vmlinux": "", ...files })) {
      Deno.mkdirSync(dirname(`${this.root}${path}`), { recursive: true });
      Deno.writeTextFileSync(`${this.root}${path}`, text);
    }
  }

  finding(name: string): Finding {
    return kernelFindings(this).find((finding) => finding.name === name) ??
      strictEqual(name, "a finding") as never;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

const SYMBOLS = "0000000000000000 T bpf_trampoline_link_prog\n0000000000000000 T bpf_lsm_file_open\n" +
  "0000000000000000 T register_ftrace_direct\n";

Deno.test("doctor keeps the LSM list and adds bpf, for Ubuntu and for RHEL", () => {
  using host = new FakeHost({
    "/proc/kallsyms": SYMBOLS,
    "/sys/kernel/security/lsm": "lockdown,capability,landlock,yama,apparmor",
  });
  const { state, mend } = host.finding("lsm_list");
  strictEqual(state, "warn");
  strictEqual(
    mend?.ubuntu[0],
    `echo 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX lsm=lockdown,landlock,yama,apparmor,bpf"' >> ` +
      "/etc/default/grub.d/99-aegisbpf.cfg",
  );
  deepStrictEqual(mend?.ubuntu.slice(1), ["update-grub", "systemctl reboot"]);
  strictEqual(mend?.rhel[0], 'grubby --update-kernel=ALL --args="lsm=lockdown,landlock,yama,apparmor,bpf"');
});

Deno.test("doctor has nothing to say against a list with bpf, or a kernel that cannot have it", () => {
  using listed = new FakeHost({ "/sys/kernel/security/lsm": "lockdown,yama,selinux,bpf\n" });
  deepStrictEqual([listed.finding("lsm_list").state, listed.finding("lsm_list").found], [
    "ok",
    "lockdown,yama,selinux,bpf",
  ]);
  using without = new FakeHost({
    "/sys/kernel/security/lsm": "capability",
    "/proc/kallsyms": "0000000000000000 T bpf_trampoline_link_prog\n",
  });
  match(without.finding("lsm_list").found, /without BPF LSM, so bpf cannot be added/);
  using hidden = new FakeHost({});
  deepStrictEqual([hidden.finding("lsm_list").state, hidden.finding("trampolines").state], ["warn", "warn"]);
});

Deno.test("doctor tells an old kernel, one without BTF, and one without trampolines", () => {
  using old = new FakeHost({}, "4.18.0-553.el8_10.x86_64");
  strictEqual(old.finding("kernel").state, "fail");
  for (const release of ["5.10.0-28-amd64", "5.14.0-570.12.1.el9_6.x86_64", "6.1.0", "10.0.0"]) {
    using host = new FakeHost({}, release);
    strictEqual(host.finding("kernel").state, "ok", release);
  }
  using plain = new FakeHost({ "/proc/kallsyms": "0000000000000000 T printk\n" });
  Deno.removeSync(`${plain.root}/sys/kernel/btf/vmlinux`);
  deepStrictEqual([plain.finding("btf").state, plain.finding("trampolines").state], ["fail", "fail"]);
  using whole = new FakeHost({ "/proc/kallsyms": SYMBOLS });
  deepStrictEqual([whole.finding("btf").state, whole.finding("trampolines").state], ["ok", "ok"]);
});

Deno.test("doctor minds lockdown only in confidentiality mode", () => {
  for (
    const [text, state] of [
      ["[none] integrity confidentiality", "ok"],
      ["none [integrity] confidentiality", "ok"],
      ["none integrity [confidentiality]", "fail"],
    ] as const
  ) {
    using host = new FakeHost({ "/sys/kernel/security/lockdown": text });
    strictEqual(host.finding("lockdown").state, state, text);
  }
});

Deno.test("doctor minds preemption where programs are left out by it, and has the option for it", () => {
  const version = "Linux version 6.1.0 #1 SMP PREEMPT_DYNAMIC Debian";
  const full = { "/proc/version": version, "/sys/kernel/debug/sched/preempt": "none voluntary (full)" };
  const voluntary = { "/proc/version": version, "/sys/kernel/debug/sched/preempt": "none (voluntary) full" };
  for (
    const [files, release, state, option] of [
      [full, "6.1.0-18-amd64", "warn", /preempt=voluntary/],
      [voluntary, "6.1.0-18-amd64", "ok", undefined],
      [{ ...full, "/sys/kernel/security/lsm": "yama,bpf" }, "6.8.0-45-generic", "ok", undefined],
      [{ ...full, "/sys/kernel/security/lsm": "yama" }, "6.8.0-45-generic", "warn", /lsm=yama,bpf/],
      [{ "/proc/version": "Linux version 6.1.0 #1 SMP PREEMPT_RT Wed" }, "6.1.0", "warn", undefined],
    ] as const
  ) {
    using host = new FakeHost(files, release);
    const finding = host.finding("preemption");
    strictEqual(finding.state, state, JSON.stringify(files));
    if (option) match(finding.mend?.rhel[0] ?? "", option);
    else strictEqual(finding.mend, undefined);
  }
});

Deno.test("doctor finds cgroup2 wherever it is mounted", () => {
  const line = (mountPoint: string) => `30 23 0:26 / ${mountPoint} rw - cgroup2 cgroup2 rw\n`;
  for (
    const [text, state, found] of [
      [line("/sys/fs/cgroup"), "ok", /^\/sys\/fs\/cgroup$/],
      [line("/sys/fs/cgroup/unified"), "ok", /unified, beside the older hierarchies/],
      ["30 23 0:26 / / rw - ext4 /dev/vda rw\n", "warn", /not mounted/],
    ] as const
  ) {
    using host = new FakeHost({ "/proc/self/mountinfo": text });
    const finding = cgroupFinding(host);
    strictEqual(finding.state, state);
    match(finding.found, found);
  }
});

Deno.test("doctor minds the limit on locked memory on 5.10 alone", () => {
  const limits = (value: string) => ({
    "/proc/self/limits": `Max locked memory         ${value}   ${value}   bytes\n`,
  });
  for (
    const [value, release, state] of [
      ["65536", "5.10.0-28-amd64", "warn"],
      ["unlimited", "5.10.0-28-amd64", "ok"],
      ["65536", "5.15.0", "ok"],
    ] as const
  ) {
    using host = new FakeHost(limits(value), release);
    strictEqual(memlockFinding(host).state, state, `${value} on ${release}`);
  }
});

Deno.test("doctor minds a clock that nothing keeps right, and one that stands in the past", () => {
  const now = new Date("2026-07-01T00:00:00Z");
  strictEqual(clockFinding(true, now).state, "ok");
  strictEqual(clockFinding(undefined, now).state, "ok");
  strictEqual(clockFinding(false, now).state, "warn");
  strictEqual(clockFinding(true, new Date(0)).state, "fail");
});

Deno.test("doctorText() shows the commands of the host's own family, or of both", () => {
  const checks: Finding[] = [
    { name: "kernel", state: "ok", found: "6.1", why: "because" },
    {
      name: "btf",
      state: "fail",
      found: "none",
      why: "because",
      mend: { ubuntu: ["apt x"], rhel: ["dnf x"] },
    },
  ];
  const report: DoctorReport = { ok: false, kernel: "6.1", checks };
  strictEqual(
    doctorText(report, "rhel", styleOf(false)),
    "ok    kernel: 6.1\nfail  btf: none\n      because\n        dnf x\n\n1 failure, 0 warnings on kernel 6.1\n",
  );
  match(
    doctorText(report, undefined, styleOf(false)),
    /on Ubuntu:\n +apt x\n +on RHEL:\n +dnf x\n/,
  );
});

Deno.test("familyOf() goes by ID and ID_LIKE", () => {
  strictEqual(familyOf('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n'), "ubuntu");
  strictEqual(familyOf("ID=debian\n"), "ubuntu");
  strictEqual(familyOf('ID="rocky"\nID_LIKE="rhel centos fedora"\n'), "rhel");
  strictEqual(familyOf("ID=arch\nVERSION_ID=1\n"), undefined);
});

Deno.test("doctor minds files that others may write, names the command, and needs no agent", async () => {
  using host = new TestHost();
  Deno.mkdirSync(dirname(host.places.policy), { recursive: true });
  Deno.writeTextFileSync(host.places.policy, "");
  Deno.chmodSync(host.places.policy, 0o666);
  strictEqual(await host.run("doctor --json"), 1, host.err);
  const report: DoctorReport = JSON.parse(host.out);
  const files = report.checks.find(({ name }) => name === "files");
  deepStrictEqual([report.ok, files?.state], [false, "fail"]);
  match(files?.found ?? "", /policy\.yaml: is writable by/);
  deepStrictEqual(files?.mend?.rhel, [
    `chown root:root '${host.places.policy}'`,
    `chmod go-w '${host.places.policy}'`,
  ]);
  for (const { name, state, why, mend } of report.checks) {
    ok(why.length > 10, name);
    ok(
      state === "ok" || ["backends", "preemption"].includes(name) || (mend?.ubuntu.length ?? 0) > 0,
      `${name} has no command`,
    );
  }
  deepStrictEqual(new Set(report.checks.map(({ name }) => name)).size, report.checks.length);
});

Deno.test("doctor tries every backend as root", { ignore: Deno.uid() !== 0 }, async () => {
  using host = new TestHost();
  await host.run("doctor --json");
  const { checks }: DoctorReport = JSON.parse(host.out);
  match(
    checks.find(({ name }) => name === "backends")?.found ?? "",
    /^lsm: .+; fmod_ret: .+; fentry: .+; tracepoint: works$/,
  );
});
