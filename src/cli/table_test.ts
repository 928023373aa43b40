import { equal } from "node:assert/strict";
import { tableText } from "./table.ts";

Deno.test("tableText() aligns columns and leaves no trailing space", () => {
  const columns = [{ heading: "KEY" }, { heading: "COUNT", align: "right" }, { heading: "X" }] as const;
  equal(
    tableText(columns, [["long key", "1", ""], ["k\n", "12345678", "y"]]),
    "KEY          COUNT  X\n" +
      "long key         1\n" +
      "k\\u000a   12345678  y\n",
  );
});
