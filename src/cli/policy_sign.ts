/**
 * `aegisbpf policy sign FILE`: a signature beside the policy, by the host's ssh-keygen, so that keys with a passphrase and
 * keys in ssh-agent serve as well.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { writeDurably } from "../agent/durable_file.ts";
import { ExitCode } from "../agent/exit_codes.ts";
import { signatureName } from "../agent/signed_file.ts";
import type { Context } from "./context.ts";
import { JSON_OPTION, type Parent, withExamples } from "./definition.ts";
import { CommandError } from "./failure.ts";
import { jsonText } from "./output.ts";
import { policyFile, printProblems } from "./policy_file.ts";

/** Adds the command. */
export function addPolicySign(parent: Parent, context: Context): void {
  const command = parent.command("sign")
    .summary("sign a policy")
    .description(
      "Signs a policy as it is, byte for byte, and writes FILE.sig. ssh-keygen of this host does it, so it asks for a " +
        "passphrase where the key has one; with a public key, ssh-agent signs. Ed25519 and ECDSA P-256 keys are " +
        "accepted. An invalid policy is not signed (exit code 4).",
    )
    .argument("<FILE>", "policy in YAML or JSON")
    .requiredOption("--key <KEY>", "the private key; or the public key of one that ssh-agent holds")
    .option(...JSON_OPTION)
    .action(async (path, { key, json }) => {
      const { bytes } = policyFile(path);
      const { parsePolicy } = await import("../policy/parse.ts");
      const parsed = parsePolicy(bytes, path);
      if (!parsed.ok) {
        printProblems(context.output, path, parsed.problems);
        throw new CommandError(ExitCode.InvalidPolicy, `${path} is not a valid policy: it was not signed`);
      }
      const { signature, fingerprint } = await sign(bytes, key);
      const target = signatureName(path);
      writeSignature(target, signature);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      context.output.out(
        json
          ? jsonText({ file: path, signature: target, sha256, key: fingerprint })
          : `${target}: signed by ${fingerprint}\n`,
      );
    });
  withExamples(command, [
    ["aegisbpf policy sign web.yaml --key ~/.ssh/id_ed25519", "writes web.yaml.sig"],
    ["aegisbpf policy verify web.yaml --allowed-signers signers", "would it be accepted"],
  ]);
}

interface Signed {
  readonly signature: Uint8Array;
  readonly fingerprint: string;
}

/** Signs, and checks what came of it: what is written is what this program accepts. */
async function sign(bytes: Uint8Array, key: string): Promise<Signed> {
  const { checkSignature, readSignature } = await import("../policy/signature/sshsig.ts");
  const { SignatureError } = await import("../policy/signature/failure.ts");
  const signature = await sshKeygenSign(bytes, key);
  try {
    const read = readSignature(signature);
    checkSignature(read, bytes);
    return { signature, fingerprint: read.key.fingerprint };
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    throw new CommandError(ExitCode.PolicyRefused, `${key}: ${error.message}; nothing was written`);
  }
}

/**
 * The signature of a copy that nobody else can write. From standard input ssh-keygen would sign as well, but then it could
 * ask for no passphrase.
 */
async function sshKeygenSign(bytes: Uint8Array, key: string): Promise<Uint8Array> {
  const { NAMESPACE } = await import("../policy/signature/sshsig.ts");
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-sign-" });
  try {
    const copy = `${folder}/policy`;
    Deno.writeFileSync(copy, bytes, { mode: 0o600 });
    const { code, stderr } = await new Deno.Command("ssh-keygen", {
      args: ["-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, "--", copy],
      stdin: "inherit",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) throw notSigned(key, new TextDecoder().decode(stderr));
    return Deno.readFileSync(`${copy}.sig`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const install = "apt-get install openssh-client, or dnf install openssh-clients";
    throw new CommandError(ExitCode.Usage, `signing needs ssh-keygen: ${install}`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function notSigned(key: string, said: string): CommandError {
  const lines = said.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return new CommandError(
    ExitCode.Usage,
    `${key}: ssh-keygen did not sign: ${lines[0] ?? "it does not say why"}`,
    lines.slice(1),
  );
}

function writeSignature(path: string, signature: Uint8Array): void {
  try {
    writeDurably(path, signature);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(ExitCode.Usage, `${path} cannot be written: ${reason}`);
  }
}
