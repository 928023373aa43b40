/**
 * Writes manual pages with the macros of man(7).
 *
 * @module
 */

/** A manual page that is being put together. */
export class RoffPage {
  readonly #lines: string[] = [];

  /** @param section For example `"1"`. */
  constructor(title: string, section: string, { source, manual }: { source: string; manual: string }) {
    const heading = [title.toUpperCase(), section, "", source, manual].map(quoted).join(" ");
    this.#lines.push(`.TH ${heading}`, ".nh", ".ad l");
  }

  /** Starts a section. */
  section(title: string): this {
    return this.#add(`.SH ${quoted(title.toUpperCase())}`);
  }

  /** Starts a part of a section. */
  part(title: string): this {
    return this.#add(`.SS ${quoted(title)}`);
  }

  /** A paragraph. */
  paragraph(text: string): this {
    return this.#add(".PP", escaped(text));
  }

  /** A line by itself that begins in bold, as in a synopsis. */
  synopsis(command: string, rest: string): this {
    return this.#add(
      ".PP",
      rest === "" ? `.B ${escaped(command)}` : `\\fB${escaped(command)}\\fR ${escaped(rest)}`,
    );
  }

  /** A term and what it means. */
  term(term: string, meaning: string): this {
    return this.#add(".TP", `\\fB${escaped(term)}\\fR`, escaped(meaning));
  }

  /** Lines to be kept as they are. */
  verbatim(text: string): this {
    return this.#add(".PP", ".RS 4", ".nf", ...text.split("\n").map(escaped), ".fi", ".RE");
  }

  /** The page. */
  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  #add(...lines: string[]): this {
    this.#lines.push(...lines);
    return this;
  }
}

/** Text that roff takes literally. */
function escaped(text: string): string {
  return text.split("\n").map((line) => {
    const literal = line.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq");
    return literal.startsWith(".") ? `\\&${literal}` : literal;
  }).join("\n");
}

function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', "\\(dq")}"`;
}
