/**
 * Patterns as OpenSSH has them (ssh_config(5), PATTERNS): `*` and `?`, lists with commas, `!` for what must not match.
 *
 * @module
 */

/** Whether the whole text matches: `*` is any number of characters, `?` is one. */
export function matchesPattern(text: string, pattern: string): boolean {
  let [at, next] = [0, 0];
  // Where the last * is, and how much of the text it stands for; all else is tried once for each, never recursively.
  let star = -1;
  let taken = 0;
  while (at < text.length) {
    if (pattern[next] === "*") [star, taken, next] = [next, at, next + 1];
    else if (next < pattern.length && (pattern[next] === "?" || pattern[next] === text[at])) {
      [at, next] = [at + 1, next + 1];
    } else if (star >= 0) [at, next] = [++taken, star + 1];
    else return false;
  }
  while (pattern[next] === "*") next++;
  return next === pattern.length;
}

/** Whether a pattern of a list matches, and none that begins with `!` does. */
export function matchesPatternList(text: string, list: string): boolean {
  let matches = false;
  for (const pattern of list.split(",")) {
    if (pattern.startsWith("!")) {
      if (matchesPattern(text, pattern.slice(1))) return false;
    } else if (matchesPattern(text, pattern)) matches = true;
  }
  return matches;
}
