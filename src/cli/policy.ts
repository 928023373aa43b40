/**
 * `aegisbpf policy`: the group of commands about policies.
 *
 * @module
 */
import type { Context } from "./context.ts";
import type { Parent } from "./definition.ts";
import { addPolicyApply } from "./policy_apply.ts";
import { addPolicyConfirm } from "./policy_confirm.ts";
import { addPolicyDiff } from "./policy_diff.ts";
import { addPolicyExport } from "./policy_export.ts";
import { addPolicyHistory } from "./policy_history.ts";
import { addPolicyImport } from "./policy_import.ts";
import { addPolicyRollback } from "./policy_rollback.ts";
import { addPolicySchema } from "./policy_schema.ts";
import { addPolicySign } from "./policy_sign.ts";
import { addPolicySimulate } from "./policy_simulate.ts";
import { addPolicyShow } from "./policy_show.ts";
import { addPolicyValidate } from "./policy_validate.ts";
import { addPolicyVerify } from "./policy_verify.ts";

/** Adds the group. */
export function addPolicy(parent: Parent, context: Context): void {
  const group = parent.command("policy").summary("check, apply and show policies").description(
    "Checks, applies and shows policies: which files, which operations, for whom, and what happens.",
  );
  for (const add of MEMBERS) add(group, context);
}

const MEMBERS: readonly ((parent: Parent, context: Context) => void)[] = [
  addPolicyValidate,
  addPolicyApply,
  addPolicyConfirm,
  addPolicyRollback,
  addPolicyHistory,
  addPolicyShow,
  addPolicyExport,
  addPolicyDiff,
  addPolicySimulate,
  addPolicyImport,
  addPolicySign,
  addPolicyVerify,
  addPolicySchema,
];
