/**
 * The file `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS): who may sign, with which key, for what and when.
 *
 * Read as OpenSSH reads it, but that a line which means nothing is a problem here and passed over there.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type Problem, ProblemList } from "../problem.ts";
import { quote } from "../syntax.ts";
import { SignatureError } from "./failure.ts";
import { keyAt, type KeyFileLine, LineError, readKeyFile, skipBlanks, wordAt } from "./key_line.ts";
import { matchesPatternList } from "./patterns.ts";
import { isKeyType, KEY_TYPES, readPublicKey, unsupportedKey } from "./public_key.ts";
import { parseTime, TIME_FORMAT } from "./times.ts";

/** One line: a key, and what it is good for. */
export interface AllowedSigner {
  /** Counted from 1. */
  readonly line: number;
  /** A list of patterns, as the line has it. */
  readonly principals: string;
  /** The key's binary form in base64. */
  readonly key: string;
  /** A list of patterns; absent: good for all. */
  readonly namespaces?: string;
  /** Milliseconds since 1970; good from then on. */
  readonly validAfter?: number;
  /** Milliseconds since 1970; good until then, that moment included. */
  readonly validBefore?: number;
  /** Why no signature by this key is accepted, though OpenSSH might. */
  readonly unusable?: string;
}

/** What `parseAllowedSigners` found. */
export type AllowedSignersResult =
  | { readonly ok: true; readonly signers: readonly AllowedSigner[] }
  | {
    readonly ok: false;
    /** At least one, in the order of the file. */
    readonly problems: readonly Problem[];
  };

/**
 * Parses the file. Never throws for what is in it.
 *
 * @param file Its name, for problems.
 */
export function parseAllowedSigners(bytes: Uint8Array, file: string): AllowedSignersResult {
  const problems = new ProblemList(file);
  const signers = readKeyFile(bytes, problems, readLine);
  return problems.count > 0 ? { ok: false, problems: problems.sorted() } : { ok: true, signers };
}

/** Whether a name is one of a line's principals. */
export function isPrincipal({ principals }: AllowedSigner, name: string): boolean {
  return matchesPatternList(name, principals);
}

function readLine({ line, text, at }: KeyFileLine): AllowedSigner {
  const { principals, next } = principalsAt(text, at);
  const hasOptions = next < text.length && !isKeyType(wordAt(text, next).word);
  const end = hasOptions ? endOfOptions(text, next) : next;
  const { certAuthority, ...options } = readOptions(text.slice(next, end), next);
  const keyPlace = skipBlanks(text, end);
  const { type, blob } = keyAt(text, keyPlace);
  const unusable = certAuthority
    ? "certificate authorities are not accepted; list each signer's own key"
    : whyUnusable(type, blob, keyPlace);
  return {
    line,
    principals,
    key: Buffer.from(blob).toString("base64"),
    ...options,
    ...(unusable === undefined ? {} : { unusable }),
  };
}

/** Until a blank; or until the end of the first part in quotes. */
function principalsAt(text: string, at: number): { principals: string; next: number } {
  const bare = /^[^ \t"]*/.exec(text.slice(at))?.[0] ?? "";
  let end = at + bare.length;
  let principals = bare;
  if (text[end] === '"') {
    const close = text.indexOf('"', end + 1);
    if (close === -1) throw new LineError(end, "the quote is not closed");
    principals += text.slice(end + 1, close);
    end = close + 1;
  }
  if (principals === "") throw new LineError(at, "there is no principal", "a name such as alice@example.com");
  return { principals, next: skipBlanks(text, end) };
}

/** Options end at a blank that is not in quotes. */
function endOfOptions(text: string, from: number): number {
  let quoted: number | undefined;
  let at = from;
  for (; at < text.length; at++) {
    if (text.startsWith('\\"', at)) at++;
    else if (text[at] === '"') quoted = quoted === undefined ? at : undefined;
    else if (quoted === undefined && (text[at] === " " || text[at] === "\t")) break;
  }
  if (quoted !== undefined) throw new LineError(quoted, "the quote is not closed");
  return Math.min(at, text.length);
}

interface Options {
  certAuthority?: true;
  namespaces?: string;
  validAfter?: number;
  validBefore?: number;
}

const OPTION = /^(?:(cert-authority)|(namespaces|valid-after|valid-before)="((?:\\"|[^"])*)")(,|$)/i;

function readOptions(text: string, column: number): Options {
  const options: Options = {};
  for (let at = 0; at < text.length;) {
    const [all, flag, key = "", quoted = "", comma] = OPTION.exec(text.slice(at)) ?? [];
    if (all === undefined) {
      throw new LineError(column + at, `${quote(text.slice(at))} is no option`, OPTIONS_EXPECTED);
    }
    if (flag !== undefined) options.certAuthority = true;
    else addOption(options, key.toLowerCase(), quoted.replaceAll('\\"', '"'), column + at);
    at += all.length;
    if (comma === "," && at === text.length) {
      throw new LineError(column + at, "the options end in a comma", OPTIONS_EXPECTED);
    }
  }
  const { validAfter = 0, validBefore = Infinity } = options;
  if (validBefore <= validAfter) throw new LineError(column, "valid-before is not later than valid-after");
  return options;
}

const OPTIONS_EXPECTED = 'cert-authority, namespaces="...", valid-after="...", valid-before="..." or a key';

function addOption(options: Options, key: string, value: string, column: number): void {
  const name = key === "namespaces" ? key : key === "valid-after" ? "validAfter" : "validBefore";
  if (options[name] !== undefined) throw new LineError(column, `the option ${key} is there twice`);
  if (name === "namespaces") {
    options.namespaces = value;
    return;
  }
  const time = parseTime(value);
  if (time === undefined) throw new LineError(column, `${key}: ${quote(value)} is no time`, TIME_FORMAT);
  options[name] = time;
}

function whyUnusable(type: string, blob: Uint8Array, column: number): string | undefined {
  if (!KEY_TYPES.some((known) => known === type)) return unsupportedKey(type);
  try {
    readPublicKey(blob);
    return undefined;
  } catch (error) {
    if (error instanceof SignatureError) throw new LineError(column, error.message);
    throw error;
  }
}
