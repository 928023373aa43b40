// Makes the packages' changelogs out of CHANGELOG.md, newest first.
//
//   scripts/deno run -A scripts/changelog.ts deb|rpm MAINTAINER
//
// Exit status 1 where the newest version there is not the one of deno.json.

const ROOT = new URL("../", import.meta.url).pathname;
const [format, maintainer = ""] = Deno.args;
const { version } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
const releases = Deno.readTextFileSync(`${ROOT}CHANGELOG.md`).split(/^## /m).slice(1).map(parseRelease);
if (releases[0]?.version !== version) {
  console.error(`changelog.ts: CHANGELOG.md begins with ${releases[0]?.version}, deno.json has ${version}`);
  Deno.exit(1);
}
console.log(releases.map(format === "rpm" ? rpmEntry : debEntry).join("\n"));

interface Release {
  readonly version: string;
  readonly date: Date;
  readonly changes: readonly string[];
}

function parseRelease(text: string): Release {
  const [head = "", ...lines] = text.split("\n");
  const found = head.match(/^(\S+) - (\d{4}-\d{2}-\d{2})$/);
  if (!found) throw new Error(`Expected "## VERSION - YYYY-MM-DD" in CHANGELOG.md, got "## ${head}"`);
  const [, version = "", day = ""] = found;
  const changes = lines.join("\n").split(/^- /m).slice(1).map((change) => change.replace(/\s+/g, " ").trim());
  return { version, date: new Date(`${day}T00:00:00Z`), changes };
}

/** deb-changelog(5). */
function debEntry({ version, date, changes }: Release): string {
  const day = date.toUTCString().replace("GMT", "+0000");
  const body = changes.map((change) => wrap(change, "  * ", "    ")).join("\n");
  return `aegisbpf (${version}) unstable; urgency=medium\n\n${body}\n\n -- ${maintainer}  ${day}\n`;
}

function rpmEntry({ version, date, changes }: Release): string {
  const [weekday, day, month, year] = date.toUTCString().replace(",", "").split(" ");
  const body = changes.map((change) => wrap(change, "- ", "  ")).join("\n");
  return `* ${weekday} ${month} ${day} ${year} ${maintainer} - ${version}-1\n${body}\n`;
}

function wrap(text: string, first: string, rest: string): string {
  const lines = [first];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1] ?? "";
    if (line.length + word.length > 78) lines.push(`${rest}${word} `);
    else lines[lines.length - 1] = `${line}${word} `;
  }
  return lines.map((line) => line.trimEnd()).join("\n");
}
