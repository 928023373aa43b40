/**
 * The product's version, which has one place: deno.json.
 *
 * @module
 */
import configuration from "../../deno.json" with { type: "json" };

/** For example `"1.0.0"`. */
export const VERSION: string = configuration.version;
