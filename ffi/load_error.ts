/**
 * The error that a refused BPF object becomes, and how a verifier's log is put into one line.
 *
 * @module
 */
import { errnoName, errnoText } from "./errno.ts";

/** What is known about a refusal. */
export interface LoadFailure {
  /** Name of the object. */
  readonly object: string;
  /** Positive error number. */
  readonly errno: number;
  /** The verifier's log; empty if it did not come to that. */
  readonly verifierLog: string;
  /** libbpf's warnings, oldest first. */
  readonly warnings: readonly string[];
}

/** The kernel or libbpf refused to open or load a BPF object. */
export class BpfLoadError extends Error {
  override readonly name = "BpfLoadError";
  /** Positive error number, for example 13. */
  readonly errno: number;
  /** Its name, for example `"EACCES"`. */
  readonly code: string;
  /** The program that was refused; `undefined` if it was a map, the object's BTF or the file as a whole. */
  readonly program: string | undefined;
  /** The verifier's log; empty if it did not come to that. */
  readonly verifierLog: string;
  /** One line: what the verifier, or else libbpf, had against it. */
  readonly summary: string;
  /** libbpf's warnings, one a line. */
  readonly libbpfLog: string;

  /** @param failure What is known about it. */
  constructor(failure: LoadFailure) {
    const code = errnoName(failure.errno);
    const program = refusedProgram(failure.warnings);
    const summary = summarizeVerifierLog(failure.verifierLog) ?? summarizeWarnings(failure.warnings) ??
      errnoText(failure.errno);
    super(
      `${
        program === undefined ? "" : `Program ${program} of `
      }BPF object ${failure.object}: ${summary} (${code})`,
    );
    this.errno = failure.errno;
    this.code = code;
    this.program = program;
    this.verifierLog = failure.verifierLog;
    this.summary = summary;
    this.libbpfLog = failure.warnings.join("\n");
  }
}

/**
 * The line of a verifier's log that says why: the last one that is neither an instruction, nor source, nor the state
 * of registers, nor statistics. `undefined` if there is none.
 */
export function summarizeVerifierLog(log: string): string | undefined {
  const lines = log.split("\n").map((line) => line.trim());
  // From 7.3 on the reason may be followed by a report of many lines, under a headline.
  const report = lines.findIndex((line) => line.startsWith(HEADLINE));
  const reason = (report < 0 ? lines : lines.slice(0, report)).findLast((line) =>
    line !== "" && !NOT_A_REASON.test(line)
  );
  return reason ?? lines[report]?.slice(HEADLINE.length);
}

const HEADLINE = "Verification failed: ";

/** Instructions (`12: (bf) …`), states (`12: R0=…`, `R0_w=…`), source (`; …`), statistics, remarks, headings. */
const NOT_A_REASON =
  /^(?:\d+: |;|R\d+(?:_\w+)?=|from \d+ to \d+|processed \d+ insns|verification time|stack depth|max_states|peak_states|mark_precise|last_idx|regs=|parent |func#\d+ @|-- |arg#\d+ (?:reference )?type|Unrecognized arg#)/;

/** What libbpf says besides the reason, at the end of every failure. */
const FOLLOWS_ANY_FAILURE =
  /^failed to load object|BPF program load failed|failed to load: -?\d+$|failed to prepare load attributes|BEGIN PROG LOAD LOG|permission problems/;

function summarizeWarnings(warnings: readonly string[]): string | undefined {
  return warnings.findLast((line) => !FOLLOWS_ANY_FAILURE.test(line))?.replace(/^prog '[^']+': /, "");
}

function refusedProgram(warnings: readonly string[]): string | undefined {
  return warnings.map((line) => /^prog '([^']+)': /.exec(line)?.[1]).findLast((name) => name !== undefined);
}
