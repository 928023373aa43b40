/**
 * Parts that the pages of the manual share.
 *
 * @module
 */
import { EXIT_MEANINGS } from "../agent/exit_codes.ts";
import { VERSION } from "../agent/version.ts";
import { RoffPage } from "./roff.ts";

/** An empty page. */
export function manualPage(title: string, section: "1" | "5" | "8"): RoffPage {
  const manual = { 1: "User Commands", 5: "File Formats", 8: "System Administration" }[section];
  return new RoffPage(title, section, { source: `aegisbpf ${VERSION}`, manual });
}

/** Adds the exit codes. */
export function exitStatus(page: RoffPage): RoffPage {
  page.section("Exit status");
  for (const [code, meaning] of Object.entries(EXIT_MEANINGS)) page.term(code, `${sentence(meaning)}.`);
  return page;
}

/** Adds the variables that every command looks at. */
export function environment(page: RoffPage): RoffPage {
  return page.section("Environment")
    .term(
      "AEGISBPF_ROOT",
      "A directory below which all paths but those of bpffs are, for tests and containers.",
    )
    .term("AEGISBPF_BPFFS", "Where the bpffs is that the pins are on; /sys/fs/bpf by default.")
    .term("AEGISBPF_DEBUG", "With 1, an internal error comes with its stack.")
    .term("NO_COLOR", "If it is not empty, nothing is coloured.");
}

/** The text with a capital at its beginning, unless that is a word of the product that the rest explains. */
export function sentence(text: string): string {
  if (/^[a-z_]+:/.test(text)) return text;
  return text.charAt(0).toUpperCase() + text.slice(1);
}
