/**
 * Covers hard links that were made out of `DIR/**` before the rule: what a search finds is added to the set in force,
 * a little at a time, so that neither an apply nor the agent waits for a large tree.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { type EntrySink, fileEntry } from "../kernel/entries.ts";
import type { Identities } from "../kernel/identities.ts";
import { type LinkedFile, LinkSearch } from "../policy/link_search.ts";
import type { CoveredDirectory } from "../policy/nested_mounts.ts";
import { oldLinksText, type OldLinksView } from "./old_links_view.ts";

/** Searches for one policy at a time. */
export class OldLinks {
  readonly #identities: Pick<Identities, "of">;
  readonly #sink: () => EntrySink | undefined;
  #key = "";
  #search = new LinkSearch([]);
  #covered = 0;
  #isTold = true;

  /** `sink` takes what is found into the set in force. */
  constructor(identities: Pick<Identities, "of">, sink: () => EntrySink | undefined) {
    this.#identities = identities;
    this.#sink = sink;
  }

  /** Begins with a policy that has come into force, unless these directories of it have been searched already. */
  begin({ sha256, resolution: { directories } }: Searched): void {
    const key = JSON.stringify([sha256, directories.map(({ rule, index, path }) => [rule.id, index, path])]);
    if (key === this.#key) return;
    this.#key = key;
    this.#search = new LinkSearch(directories);
    this.#covered = 0;
    this.#isTold = directories.length === 0;
    this.#step(FIRST_MS);
  }

  /** Goes on for a moment. Gives what came of the search in one line, once, when it is over. */
  tick(): string | undefined {
    if (this.#isTold) return undefined;
    this.#step(STEP_MS);
    const view = this.view();
    if (view === undefined || view.state === "looking") return undefined;
    this.#isTold = true;
    return view.covered > 0 || view.state === "partly" ? oldLinksText(view) : undefined;
  }

  /** How far it is; undefined where there is nothing to look at. */
  view(): OldLinksView | undefined {
    const { looked, isOver, isCut } = this.#search;
    if (looked === 0 && isOver) return undefined;
    const isPart = isCut || this.#covered >= MAX_COVERED;
    return { looked, covered: this.#covered, state: isPart ? "partly" : isOver ? "whole" : "looking" };
  }

  #step(ms: number): void {
    const sink = this.#sink();
    if (sink === undefined || this.#covered >= MAX_COVERED) return;
    for (const file of this.#search.step(ms)) {
      if (this.#covered < MAX_COVERED && this.#cover(file, sink)) this.#covered++;
    }
  }

  #cover({ path, index }: LinkedFile, sink: EntrySink): boolean {
    try {
      const known = this.#identities.of(path, { follow: false });
      if (known === undefined || known.links < 2) return false;
      sink.add(fileEntry(known.identity, index));
      return true;
    } catch (error) {
      // It is out of reach by now. E2BIG: the set has no room, and is about to be made anew.
      if (error instanceof SystemError) return false;
      throw error;
    }
  }
}

/** What is searched. */
interface Searched {
  readonly sha256: string;
  readonly resolution: { readonly directories: readonly CoveredDirectory[] };
}

/** A search of a small tree is over before an apply is. */
const FIRST_MS = 50;
const STEP_MS = 15;
/** A quarter of what a set has room to learn. */
const MAX_COVERED = 4096;
