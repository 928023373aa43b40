/**
 * `aegisbpf policy verify FILE`: whether a policy's signature would be accepted, and whose it is; with no agent needed.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Refusal } from "../agent/refusal.ts";
import { readSignatureFile, signatureName } from "../agent/signed_file.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { jsonText, printable } from "./output.ts";
import { commandError, policyFile, printProblems } from "./policy_file.ts";

/** Adds the command. */
export function addPolicyVerify(parent: Parent, context: Context): void {
  const command = parent.command("verify")
    .summary("check a policy's signature")
    .description(
      "Checks the signature beside a policy as the agent does: it must fit the file byte for byte, be made for the " +
        "namespace aegisbpf-policy by a key that allowed_signers lists and permits now, and that is not in " +
        "/etc/aegisbpf/revoked_keys. " +
        "Exit code 5: it is not accepted.",
    )
    .argument("<FILE>", "the policy")
    .option("--signature <FILE>", "the signature; by default FILE.sig")
    .option("--allowed-signers <FILE>", "who may sign; by default /etc/aegisbpf/allowed_signers")
    .option(
      "--principal <NAME>",
      "who must have signed; by default any of signers in the configuration, else anyone",
    )
    .option(...JSON_OPTION)
    .action(async (path, options) => {
      await verify(path, options, context);
    });
  withExamples(command, [
    ["aegisbpf policy verify web.yaml", "would this host accept it"],
    ["aegisbpf policy verify web.yaml --allowed-signers signers --principal alice@example.com", "is it hers"],
  ]);
}

interface Options {
  readonly signature?: string | undefined;
  readonly allowedSigners?: string | undefined;
  readonly principal?: string | undefined;
  readonly json?: true | undefined;
}

async function verify(path: string, options: Options, context: Context): Promise<void> {
  const { bytes } = policyFile(path);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  try {
    const { principal, fingerprint, line, file } = await signer(path, bytes, options, context);
    context.output.out(
      options.json
        ? jsonText({
          ok: true,
          file: path,
          sha256,
          signer: principal,
          key: fingerprint,
          allowed_by: { file, line },
        })
        : `${path}: good signature by ${printable(principal)}, ${fingerprint}\n`,
    );
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { message, problems } = error;
    if (options.json) context.output.out(jsonText({ ok: false, file: path, sha256, message, problems }));
    else if (problems[0]) printProblems(context.output, problems[0].file, problems);
    throw commandError(error);
  }
}

async function signer(path: string, bytes: Uint8Array, options: Options, context: Context) {
  const [{ signerOf }, { SignatureError }, { TrustReader }, { readConfig }] = await Promise.all([
    import("../policy/signature/signer.ts"),
    import("../policy/signature/failure.ts"),
    import("../agent/trust.ts"),
    import("../agent/config.ts"),
  ]);
  const places = context.locations();
  const { allowedSigners = places.allowedSigners, principal } = options;
  const signature = readSignatureFile(options.signature ?? signatureName(path));
  if (signature === undefined) {
    throw new Refusal(5, `${path} is not signed: there is no ${options.signature ?? signatureName(path)}`);
  }
  // Whose signatures the agent takes is asked only where the agent's own list is.
  const isAgents = principal === undefined && options.allowedSigners === undefined;
  const only = principal === undefined
    ? isAgents ? readConfig(places.config).signers : undefined
    : [principal];
  const trust = new TrustReader({ ...places, allowedSigners }).read(only);
  if (trust === undefined) {
    throw new Refusal(5, `Nobody's signature is accepted: there is no ${allowedSigners}`);
  }
  try {
    return { ...signerOf(bytes, signature, trust, Date.now()), file: trust.file };
  } catch (error) {
    if (error instanceof SignatureError) throw new Refusal(5, `${path}: ${error.message}`);
    throw error;
  }
}
