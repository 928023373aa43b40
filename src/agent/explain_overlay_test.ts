import { deepEqual } from "node:assert/strict";
import { layersOf } from "./explain_overlay.ts";

Deno.test("layersOf() puts the upper layer first and keeps the order of the lower ones", () => {
  deepEqual(layersOf("rw,lowerdir=/a:/b::/data,upperdir=/up,workdir=/work"), ["/up", "/a", "/b", "/data"]);
});

Deno.test("layersOf() takes escaped colons and commas for part of a name", () => {
  deepEqual(layersOf("rw,lowerdir=/a\\:b:/c\\,d"), ["/a:b", "/c,d"]);
});

Deno.test("layersOf() leaves out layers that are named relative to somebody's directory", () => {
  deepEqual(layersOf("rw,lowerdir=l/ABC:/b"), ["/b"]);
});
