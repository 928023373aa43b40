/**
 * The executable's entry. What must answer at once, `--version` and `health`, is answered before the rest is loaded.
 *
 * @module
 */
import { processContext } from "./context.ts";
import { quickAnswer } from "./quick.ts";

const context = processContext();
const code = await quickAnswer(Deno.args, context) ??
  await (await import("./command_line.ts")).runCommandLine(Deno.args, context);
Deno.exit(code);
