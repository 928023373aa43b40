/**
 * aegisbpf(8): the agent, what it needs, and where its things are.
 *
 * @module
 */
import { locations } from "../agent/locations.ts";
import type { CommandInfo } from "./command_info.ts";
import { addCommand } from "./man_commands.ts";
import { environment, exitStatus, manualPage } from "./man_parts.ts";
import type { RoffPage } from "./roff.ts";

/** The page. */
export function agentPage(program: CommandInfo): string {
  const page = manualPage("aegisbpf", "8");
  page.section("Name").paragraph("aegisbpf - the agent that denies the opening of files in the kernel");
  const run = program.commands.find(({ path }) => path[0] === "run");
  const detach = program.commands.find(({ path }) => path[0] === "detach");
  if (run) page.section("Synopsis").synopsis("aegisbpf run", run.usage);
  page.section("Description").paragraph(DESCRIPTION).paragraph(PINS);
  page.section("Backends").paragraph(CHOICE);
  for (const [name, meaning] of BACKEND_MEANINGS) page.term(name, meaning);
  page.section("Posture").paragraph("What the host gets right now; aegisbpf health tells it.");
  for (const [name, meaning] of POSTURE_MEANINGS) page.term(name, meaning);
  page.section("Commands of the administrator");
  for (const command of [run, detach]) if (command) addCommand(page, command);
  addFiles(page);
  exitStatus(page);
  environment(page);
  page.section("See also").paragraph("aegisbpf(1), aegisbpf-policy(5), ssh-keygen(1), systemctl(1)");
  return page.toString();
}

const DESCRIPTION =
  "The agent compiles a policy into BPF maps that a program on the kernel's own open path reads. " +
  "The kernel decides by itself: no file open waits for the agent.";

const PINS =
  "Programs and maps are pinned, so decisions go on when the agent ends, however it ends, and the next agent " +
  "adopts them. aegisbpf detach takes them out.";

const CHOICE =
  "The best backend that works is chosen, by attaching it and opening a file that it must refuse. " +
  "--backend forces one.";

const BACKEND_MEANINGS = [
  ["lsm", "Refuses. Needs bpf in the kernel's list of LSMs."],
  ["fmod_ret", "Refuses, on a stock kernel without bpf in that list."],
  ["fentry", "Only reports, where the kernel does not let programs refuse."],
  ["tracepoint", "Only reports, and by the path that was asked for: it sees system calls, not files."],
] as const;

const POSTURE_MEANINGS = [
  ["enforce", "What the policy denies is refused with EPERM."],
  ["audit", "What the policy denies is reported; the policy asks for no more."],
  ["degraded", "It is only reported, although the policy asks to enforce: no backend here can refuse."],
  ["off", "Neither."],
] as const;

function addFiles(page: RoffPage): void {
  const places = locations({});
  page.section("Files")
    .term(
      places.policy,
      "The policy that the agent begins with when it has no last good one; see aegisbpf-policy(5).",
    )
    .term(
      places.config,
      "What holds for this host: require_signature, with which only signed policy is accepted, and signers, the " +
        "principals whose signatures count.",
    )
    .term(places.allowedSigners, "Who may sign policies, as in ssh-keygen(1), ALLOWED SIGNERS.")
    .term(places.revokedKeys, "Public keys whose signatures count for nothing, a line each.")
    .term(places.state, "What is kept: the last good policy, and below events/ the recorded events.")
    .term(places.socket, "The control socket: HTTP with JSON, for root.")
    .term(places.pins, "The pinned programs and maps, on a bpffs.");
}
