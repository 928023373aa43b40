/**
 * What is fuzzed: the readers of what others wrote, and what each promises besides not to throw.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { MAX_CONFIG_BYTES, parseConfig } from "../../src/agent/config.ts";
import { Refusal } from "../../src/agent/refusal.ts";
import type { Problem } from "../../src/policy/problem.ts";
import { isPrincipal, parseAllowedSigners } from "../../src/policy/signature/allowed_signers.ts";
import { SignatureError } from "../../src/policy/signature/failure.ts";
import { parseRevokedKeys } from "../../src/policy/signature/revoked_keys.ts";
import { checkSignature, readSignature } from "../../src/policy/signature/sshsig.ts";
import { agentTargets } from "./agent_targets.ts";
import { corpusOf } from "./corpus.ts";
import { generalised } from "./outcome.ts";
import { ini, policy } from "./policy_targets.ts";

/** One reader. */
export interface Target {
  /** Good inputs, from which others are made. */
  readonly corpus: readonly Uint8Array[];
  /** What the format is made of. */
  readonly pieces: readonly string[];
  /**
   * Reads an input.
   *
   * @returns What came of it, in few words: a new one makes the input worth changing further.
   * @throws {Error} if the reader broke a promise.
   */
  run(input: Uint8Array): string | Promise<string>;
}

/** Every target by its name, which is also that of its folder in corpus/. */
export const TARGETS: Readonly<Record<string, Target>> = {
  policy,
  ini,
  ...agentTargets,
  config: {
    corpus: corpusOf("config"),
    pieces: [..."\n [],:#'\"*", "\r\n", "require_signature", "signers", "true", "false", "- "],
    run: (input) => {
      try {
        return JSON.stringify(parseConfig(input.subarray(0, MAX_CONFIG_BYTES), "f")).slice(0, 40);
      } catch (error) {
        if (error instanceof Refusal) return problemsOf(error.problems);
        throw error;
      }
    },
  },
  signature: {
    corpus: corpusOf("signature"),
    pieces: [
      "-----BEGIN SSH SIGNATURE-----\n",
      "\n-----END SSH SIGNATURE-----",
      "\r\n",
      "=",
      "AAAA",
      "U1NIU0lH",
      "/",
    ],
    run: (input) => {
      try {
        checkSignature(readSignature(input), SIGNED);
      } catch (error) {
        if (error instanceof SignatureError) return generalised(error.message);
        throw error;
      }
      ok(GENUINE.has(textOf(input)), "nothing but the genuine ones is a signature, whatever its lines");
      return "accepted";
    },
  },
  allowed_signers: {
    corpus: corpusOf("allowed_signers"),
    pieces: [
      ...' \t",=#!*?\\\n',
      ...[
        "\r\n",
        "namespaces=",
        "valid-after=",
        "valid-before=",
        "cert-authority",
        "20270101Z",
        "ssh-ed25519 ",
      ],
    ],
    run: (input) => {
      const result = parseAllowedSigners(input, "f");
      if (!result.ok) return problemsOf(result.problems);
      for (const signer of result.signers) {
        ok(signer.line > 0 && signer.key !== "" && signer.principals !== "");
        ok((signer.validAfter ?? 0) < (signer.validBefore ?? Infinity));
        isPrincipal(signer, "alice@example.com");
      }
      return `accepted, ${result.signers.length}`;
    },
  },
  revoked_keys: {
    corpus: corpusOf("revoked_keys"),
    pieces: [..." \t\n#=", "\r\n", "ssh-ed25519 ", "ecdsa-sha2-nistp256 ", "SSHKRL\n\0", "AAAA"],
    run: (input) => {
      const result = parseRevokedKeys(input, "f");
      return result.ok ? `accepted, ${result.keys.size}` : problemsOf(result.problems);
    },
  },
};

/** What the signatures of the corpus sign. */
const SIGNED = Buffer.from("version: 1\nname: web\nserial: 1\nrules: []\n");
const GENUINE = new Set(TARGETS.signature?.corpus.map(textOf));

function textOf(signature: Uint8Array): string {
  return Buffer.from(signature).toString("latin1").replaceAll("\n", "");
}

/** The first problem, once it is clear that each has its place. */
function problemsOf(problems: readonly Problem[]): string {
  ok(problems.length > 0, "what is refused has a reason");
  for (const { line, column, message } of problems) ok(line > 0 && column > 0 && message !== "");
  return generalised(problems[0]?.message ?? "");
}
