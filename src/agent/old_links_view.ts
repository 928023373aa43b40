/**
 * What the agent says of the search for hard links that are older than the policy.
 *
 * @module
 */

/** How far the search of the policy in force is. */
export interface OldLinksView {
  /** Names that were looked at. */
  readonly looked: number;
  /** Files with names outside that are covered for that. */
  readonly covered: number;
  /** `partly`: there is more than is looked at, or than a set has room for. */
  readonly state: "looking" | "whole" | "partly";
}

/** How far the search is, in words. */
export function oldLinksText({ looked, covered, state }: OldLinksView): string {
  const found = `${covered} older hard ${covered === 1 ? "link" : "links"} out of directories covered`;
  if (state === "partly") return `${found}; there are more files than are looked at, of which ${looked} were`;
  return state === "whole" ? found : `${found} so far, ${looked} names looked at`;
}
