/**
 * What documents show of the results: between `<!-- bench NAME -->` and `<!-- end -->` a table or plots, and before
 * `<!--= BENCHMARK KEY FORM -->`, up to a space, one number. scripts/bench writes them, and docs/numbers_test.ts compares.
 *
 * @module
 */
import { BLOCKS } from "./blocks.ts";
import { recorded, type Results } from "./results.ts";

const BLOCK = /(<!-- bench (\S+) -->\n)[\s\S]*?(\n<!-- end -->)/g;
/** A comment after its number: a line that begins with one is no Markdown. */
const NUMBER = /[^ \n|()]+(<!--= ([^>]+?) -->)/g;

/**
 * The page with all that is generated made anew.
 *
 * @throws {RangeError} when a part names what is no block, or no recorded row
 */
export function written(page: string, results: Results): string {
  return page
    .replace(BLOCK, (_, head: string, name: string, tail: string) => {
      const block = BLOCKS[name];
      if (block === undefined) throw new RangeError(`No block is called ${name}`);
      return `${head}\n${block(results)}\n${tail}`;
    })
    .replace(NUMBER, (_, comment: string, reference: string) => {
      // Number and unit stay on one line, and are one word for the next time.
      return `${recorded(reference, results).replaceAll(" ", "\u00a0")}${comment}`;
    });
}

/** The page without what is generated: what is left was written by hand. */
export function byHand(page: string): string {
  return page.replace(BLOCK, "").replace(NUMBER, "");
}

/** A page as it is compared: how wide a table's columns are does not matter. */
export function compact(page: string): string {
  return page.replace(/[ \t]+/g, " ").replace(/-{3,}(:?)/g, "--$1").replace(/\n{2,}/g, "\n\n");
}
