/**
 * The bounds of a policy, in one place: what is larger is refused before it can cost memory or time.
 *
 * @module
 */

/** Bounds of a policy file and of what is in it; all of them are inclusive. */
export const LIMITS = {
  /** Size of the file in bytes: 8 MiB. 100,000 rules of one path each take about 6. */
  fileBytes: 8 * 1024 * 1024,
  /** YAML tokens in the file, which is what the parser's memory grows with; a rule of one path is 20 of them. */
  tokens: 2_500_000,
  /** The same where `rules` cannot be read some at a time (see `compose_parts.ts`): that is what 512 MiB are enough for. */
  tokensAtOnce: 1_000_000,
  /** Levels of YAML nesting; the format itself needs ten. */
  depth: 32,
  /** Rules of one policy. */
  rules: 100_000,
  /**
   * Scopes plus different `except` blocks. What a caller belongs to is one 64-bit mask in the kernel, of which
   * `allow.cgroups` has a bit.
   */
  callerSets: 63,
  /** Bytes of a path: Linux's PATH_MAX without the terminating NUL. */
  pathBytes: 4095,
  /** Levels of a cgroup below the root: how deep the kernel side looks. */
  cgroupLevels: 32,
  /** Bytes of one component of a path: Linux's NAME_MAX. */
  nameBytes: 255,
  /** Problems reported for one file; a last one says that there are more. */
  problems: 100,
} as const;
