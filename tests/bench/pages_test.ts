import { strictEqual, throws } from "node:assert/strict";
import { byHand, compact, written } from "./pages.ts";
import type { Results } from "./results.ts";

const results: Results = {
  "start-up": {
    at: "2026-01-31T12:00:00.000Z",
    commit: "0123456",
    machine: { kernel: "6.1.0", cpu: "one", cores: 2 },
    load: 0,
    rows: [
      { key: "nothing", text: "/bin/true", value: 2, unit: "ms" },
      { key: "health", text: "`health`", value: 62.4, unit: "ms", baseline: "nothing" },
    ],
  },
};

Deno.test("written() fills numbers and tables in, and again leaves them as they are", () => {
  const page = "It takes ?<!--= start-up health --> (?<!--= start-up health over -->).\n\n" +
    "<!-- bench start-up -->\n\n<!-- end -->\n";
  const filled = written(page, results);
  strictEqual(
    filled,
    "It takes 62\u00a0ms<!--= start-up health --> (+60.4\u00a0ms<!--= start-up health over -->).\n\n" +
      "<!-- bench start-up -->\n\n| what | measured |\n| --- | ---: |\n| `health` | 62 ms |\n\n<!-- end -->\n",
  );
  strictEqual(written(filled, results), filled);
  strictEqual(byHand(filled), "It takes  ().\n\n\n");
});

Deno.test("written() refuses what is not recorded", () => {
  throws(() => written("?<!--= start-up other -->", results), /no row start-up other/);
  throws(() => written("?<!--= start-up nothing over -->", results), /baseline/);
  throws(() => written("<!-- bench other -->\n\n<!-- end -->", results), /No block is called other/);
});

Deno.test("compact() makes tables of any width equal", () => {
  strictEqual(compact("| a   |\n| ----- |\n\n\n| b |"), compact("| a |\n| --- |\n\n| b   |"));
});
