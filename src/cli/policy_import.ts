/**
 * `aegisbpf policy import FILE`: a policy of this format in its canonical form, or one made of another agent's.
 *
 * @module
 */
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { writeDurably } from "../agent/durable_file.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import type { Problem } from "../policy/problem.ts";
import type { Context } from "./context.ts";
import { choiceOption, type Parent, withExamples } from "./definition.ts";
import { CommandError } from "./failure.ts";
import { counted, jsonText } from "./output.ts";
import { policyFile, printProblems, printWarnings } from "./policy_file.ts";

/** Adds the command. */
export function addPolicyImport(parent: Parent, context: Context): void {
  const command = parent.command("import")
    .summary("read a policy that was exported, or another agent's")
    .description(
      "Reads a policy and writes it in canonical form: what export printed comes back byte for byte. With --from " +
        "aegis-ini it reads the INI policy, versions 1 to 6, of the C++ agent of this kind, and writes a policy with " +
        "comments; what has no counterpart is listed with its line, and nothing is written unless " +
        "--skip-unsupported is given. Nothing is put into force: that is for apply, with its checks.",
    )
    .argument("<FILE>", "the policy")
    .addOption(
      choiceOption("--from <FORMAT>", "the format of FILE, if it is not this agent's own", ["aegis-ini"]),
    )
    .option("--skip-unsupported", "leave out what has no counterpart, with a warning for each")
    .option("--unsigned-body", "read the policy in a signed bundle, whose signature then counts for nothing")
    .option("--name <NAME>", "name of the policy; INI has none. Default: the file's", policyName)
    .option("--serial <N>", "serial of the policy; INI has none. Default: 1", policySerial)
    .addOption(new Option("-o, --output <FILE>", "where to write; - is standard output").default("-"))
    .option("--json", "print JSON: the policy, and what was left out")
    .action(async (path, options) => {
      const { bytes } = policyFile(path);
      const result = options.from === undefined
        ? await importOwn(bytes, path, options)
        : await importIni(bytes, path, options);
      finish(result, path, options, context);
    });
  withExamples(command, [
    ["aegisbpf policy import policy.conf --from aegis-ini -o policy.yaml", "move from the C++ agent"],
    ["aegisbpf policy import kept.yaml", "check and normalise an export"],
  ]);
}

interface Options {
  readonly from?: "aegis-ini" | undefined;
  readonly skipUnsupported?: true | undefined;
  readonly unsignedBody?: true | undefined;
  readonly name?: string | undefined;
  readonly serial?: number | undefined;
  readonly output: string;
  readonly json?: true | undefined;
}

type Imported =
  | {
    readonly ok: true;
    readonly text: string;
    readonly fields: Readonly<Record<string, unknown>>;
    readonly skipped: readonly Problem[];
    readonly notes: readonly string[];
  }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly advice?: string };

async function importOwn(bytes: Uint8Array, path: string, options: Options): Promise<Imported> {
  const [{ looksLikeIni }, { parsePolicy }, { exportPolicy, policyFields }] = await Promise.all([
    import("../policy/ini.ts"),
    import("../policy/parse.ts"),
    import("../policy/export.ts"),
  ]);
  const { skipUnsupported, unsignedBody, name, serial } = options;
  if (skipUnsupported || unsignedBody || name !== undefined || serial !== undefined) {
    const message = "--skip-unsupported, --unsigned-body, --name and --serial are for another agent's policy";
    throw new CommandError(ExitCode.Usage, `${message}: give --from aegis-ini as well`);
  }
  if (looksLikeIni(new TextDecoder().decode(bytes.subarray(0, 64 * 1024))) !== undefined) {
    throw new CommandError(
      ExitCode.Usage,
      `${path} is an INI policy of the C++ agent: give --from aegis-ini as well`,
    );
  }
  const result = parsePolicy(bytes, path);
  if (!result.ok) return result;
  const { policy, warnings: skipped } = result;
  return { ok: true, text: exportPolicy(policy), fields: policyFields(policy), skipped, notes: [] };
}

async function importIni(bytes: Uint8Array, path: string, options: Options): Promise<Imported> {
  const [{ BUNDLE_REFUSED, looksLikeIni }, ini, { parsePolicy }, { policyFields }] = await Promise.all([
    import("../policy/ini.ts"),
    import("../policy/ini_import.ts"),
    import("../policy/parse.ts"),
    import("../policy/export.ts"),
  ]);
  const { skipUnsupported = false, unsignedBody = false, serial = 1 } = options;
  if (!unsignedBody && looksLikeIni(new TextDecoder().decode(bytes.subarray(0, 1024))) === "bundle") {
    throw new CommandError(ExitCode.PolicyRefused, `${path}: ${BUNDLE_REFUSED}`);
  }
  const name = options.name ?? nameOf(path);
  const result = ini.importIni(bytes, path, { skipUnsupported, unsignedBody, name, serial });
  if (!result.ok) {
    const { problems, unsupported } = result;
    return unsupported
      ? { ok: false, problems, advice: "--skip-unsupported leaves them out" }
      : { ok: false, problems };
  }
  const parsed = parsePolicy(result.text, path);
  return { ...result, fields: parsed.ok ? policyFields(parsed.policy) : {} };
}

function finish(result: Imported, path: string, { output, json }: Options, context: Context): void {
  if (!result.ok) {
    context.exit = ExitCode.InvalidPolicy;
    if (json) context.output.out(jsonText({ ok: false, problems: result.problems }));
    else printProblems(context.output, path, result.problems);
    if (!json && result.advice !== undefined) {
      context.output.err(
        `aegisbpf: nothing was written: ${
          counted(result.problems.length, "thing")
        } without a counterpart; ${result.advice}`,
      );
    }
    return;
  }
  const { text, fields, skipped, notes } = result;
  if (!json) {
    printWarnings(context.output, path, skipped);
    for (const note of notes) context.output.err(`aegisbpf: note: ${note}`);
  }
  if (output !== "-") write(output, text);
  if (json) context.output.out(jsonText({ ok: true, policy: fields, warnings: skipped, notes }));
  else if (output === "-") context.output.out(text);
}

function write(path: string, text: string): void {
  try {
    writeDurably(path, text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(ExitCode.Usage, `cannot write ${path}: ${reason}`);
  }
}

/** A policy's name from a file's: its last component without extension, what may not be in a name left out. */
function nameOf(path: string): string {
  const base = path.slice(path.lastIndexOf("/") + 1).replace(/\.[^.]*$/, "");
  return base.replaceAll(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 63) || "imported";
}

function policyName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)) return text;
  throw new InvalidArgumentError(
    "Expected letters, digits, '.', '_' and '-', beginning with a letter or digit.",
  );
}

function policySerial(text: string): number {
  if (/^[1-9][0-9]{0,15}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError("Expected a number from 1 to 2^53 - 1.");
}
