/**
 * `aegisbpf run`: the agent, in the foreground.
 *
 * @module
 */
import { resolve } from "node:path";
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { ExitCode, isExitCode } from "../agent/exit_codes.ts";
import { DEFAULT_RECORD_BYTES } from "../events/record_files.ts";
import { type MetricsAddress, parseMetricsAddress } from "../agent/metrics_address.ts";
import { BACKENDS } from "../kernel/backend.ts";
import type { Context } from "./context.ts";
import { choiceOption, type Parent, withExamples } from "./definition.ts";

/** Adds the command. */
export function addRun(parent: Parent, context: Context): void {
  const command = parent.command("run")
    .summary("run the agent, in the foreground")
    .description(
      "Runs the agent in the foreground, as systemd does, until SIGTERM or SIGINT; SIGHUP reads the policy file again. " +
        "What it put into the kernel stays in force when it ends. Exit code 3: refused, because another agent runs " +
        "or the policy could not be enforced; nothing is attached then.",
    )
    .option(
      "--policy <FILE>",
      "policy to apply; by default the last good one, else /etc/aegisbpf/policy.yaml",
    )
    .addOption(choiceOption("--mode <MODE>", "override the policy's mode", ["enforce", "audit"]))
    .addOption(choiceOption("--backend <BACKEND>", "use this backend and no other", BACKENDS))
    .addOption(
      choiceOption(
        "--fallback <WHAT>",
        "where no backend can enforce what the policy asks to: go on in audit, or refuse to start",
        ["audit", "refuse"],
      ).default("audit" as const),
    )
    .addOption(
      new Option(
        "--events <FILE>",
        "where events go, one JSON object a line: a file, - (standard output), journal, off",
      )
        .default("-").argParser(eventsTarget),
    )
    .addOption(
      new Option("--record <SIZE>", "how much of the events to keep in the state directory, as 64M, or off")
        .default(DEFAULT_RECORD_BYTES, "64M").argParser(recordBytes),
    )
    .addOption(
      new Option(
        "--metrics <ADDR:PORT>",
        "where Prometheus finds metrics, for example 127.0.0.1:9464; off: nowhere",
      )
        .argParser(metricsTarget).default("off" as const),
    )
    .option("--detach-on-exit", "take everything out of the kernel at the end")
    .action(async ({ policy, mode, backend, fallback, events, record, metrics, detachOnExit }) => {
      const { runAgent } = await import("../agent/run.ts");
      const code = await runAgent({
        ...(policy === undefined ? {} : { policy: resolve(policy) }),
        ...(mode === undefined ? {} : { mode }),
        ...(backend === undefined ? {} : { backend }),
        fallback,
        events,
        record,
        ...(metrics === "off" ? {} : { metrics }),
        detachOnExit: detachOnExit === true,
      });
      context.exit = isExitCode(code) ? code : ExitCode.Internal;
    });
  withExamples(command, [
    ["aegisbpf run --policy web.yaml --mode audit", "see what a policy would deny"],
    ["aegisbpf run --fallback refuse", "enforce, or do not start"],
  ]);
}

const MAX_RECORD_MIB = 1 << 20;

function recordBytes(value: string): number {
  if (value === "off") return 0;
  const [, digits = "", unit = ""] = /^([1-9]\d{0,6})([MG])$/.exec(value) ?? [];
  const mib = Number(digits) * (unit === "G" ? 1024 : 1);
  if (digits === "" || mib > MAX_RECORD_MIB) {
    throw new InvalidArgumentError("Expected a size from 1M to 1024G, as 64M or 2G, or off.");
  }
  return mib * 2 ** 20;
}

function eventsTarget(value: string): string {
  if (value === "") throw new InvalidArgumentError("Expected a file, -, journal or off.");
  return value;
}

function metricsTarget(value: string): MetricsAddress | "off" {
  const address = value === "off" ? value : parseMetricsAddress(value);
  if (address !== undefined) return address;
  throw new InvalidArgumentError("Expected ADDR:PORT, for example 127.0.0.1:9464 or [::1]:9464, or off.");
}
