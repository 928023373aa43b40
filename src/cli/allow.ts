/**
 * `aegisbpf allow`: cgroups that are exempt from every rule by hand.
 *
 * @module
 */
import type {
  AllowAdd,
  AllowAdded,
  AllowRemoved,
  HandExemptionsView,
  HandExemptionView,
} from "../agent/hand_api.ts";
import { AgentClient } from "./client.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { endsText, TTL_OPTION } from "./hand.ts";
import { jsonText, printable, printAnswer } from "./output.ts";
import { tableText } from "./table.ts";

/** Adds the group. */
export function addAllow(parent: Parent, context: Context): void {
  const group = parent.command("allow").summary("exempt a cgroup by hand").description(
    "Exemptions by hand: a cgroup and all below it, that no rule applies to. Kept over restarts. Refused (exit code 5) " +
      "where only signed policies are accepted.",
  );
  addAdd(group, context);
  group.command("remove")
    .summary("end an exemption by hand")
    .description("Ends an exemption by hand. Exit code 1: there is none.")
    .argument("<CGROUP>", "as it was added")
    .option(...JSON_OPTION)
    .action(async (cgroup, { json }) => {
      using client = new AgentClient(context.locations().socket);
      const result = await client.post<AllowRemoved>("/v1/allow/remove", { cgroup });
      context.output.out(
        json ? jsonText(result) : `no longer exempt by hand: ${printable(result.removed.cgroup)}\n`,
      );
    });
  group.command("list")
    .summary("list the exemptions by hand")
    .description("Lists the cgroups that are exempt by hand, and when each exemption ends.")
    .option(...JSON_OPTION)
    .action(async ({ json }) => {
      using client = new AgentClient(context.locations().socket);
      const view = await client.get<HandExemptionsView>("/v1/allow");
      context.output.out(json ? jsonText(view) : exemptionsText(view));
    });
}

function addAdd(group: Parent, context: Context): void {
  const command = group.command("add")
    .summary("exempt a cgroup from every rule")
    .description("Exempts a cgroup and all below it from every rule. It need not exist yet.")
    .argument("<CGROUP>", "path below the cgroup2 root such as /system.slice/nginx.service, or id:N")
    .option(...TTL_OPTION)
    .option(...JSON_OPTION)
    .action(async (cgroup, { ttl, json }) => {
      const request: AllowAdd = { cgroup, ...(ttl === undefined ? {} : { ttl_s: ttl }) };
      using client = new AgentClient(context.locations().socket);
      const result = await client.post<AllowAdded>("/v1/allow/add", request);
      printAnswer(context.output, result, `${result.result} ${described(result.cgroup)}\n`, json);
    });
  withExamples(command, [
    ["aegisbpf allow add /system.slice/backup.service --ttl 2h", "for one run of a backup"],
  ]);
}

function described({ cgroup, state, ...lasting }: HandExemptionView): string {
  const where = state === "waiting" ? ", which does not exist now" : "";
  return `${printable(cgroup)}${where}: exempt, ${endsText(lasting)}`;
}

const COLUMNS = ["CGROUP", "STATE", "ENDS"].map((heading) => ({ heading }));

/** The exemptions for people. */
export function exemptionsText({ cgroups }: HandExemptionsView): string {
  if (cgroups.length === 0) return "no cgroup is exempt by hand\n";
  return tableText(
    COLUMNS,
    cgroups.map(({ cgroup, state, ...lasting }) => [cgroup, state, endsText(lasting)]),
  );
}
