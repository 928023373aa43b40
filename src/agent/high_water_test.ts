import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { Anchor } from "../kernel/anchor.ts";
import type { HistoryEntry } from "./history_chain.ts";
import { HighWaterMark } from "./high_water.ts";
import { refusalOf, TestInstallation } from "./test_support.ts";

const [A, B] = ["aa".repeat(32), "bb".repeat(32)] as const;

function applied(serial: number, sha256: string = A): HistoryEntry {
  return { seq: 1, time: "", prev: "", what: "apply", result: "done", serial, sha256 };
}

function inFolder(test: (state: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-mark-" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("HighWaterMark refuses what is lower, and other content with the same serial, over restarts", () => {
  inFolder((state) => {
    const mark = new HighWaterMark(state, undefined, []);
    deepStrictEqual([mark.serial, mark.problems], [0, []]);
    mark.raise({ serial: 7, sha256: A });
    mark.raise({ serial: 3, sha256: B });
    const again = new HighWaterMark(state, undefined, [applied(7)]);
    deepStrictEqual([again.serial, again.problems], [7, []]);
    again.check({ serial: 7, sha256: A, file: "p" });
    again.check({ serial: 8, sha256: B, file: "p" });
    for (const [serial, sha256] of [[6, A], [1, B], [7, B]] as const) {
      const refusal = refusalOf(() => again.check({ serial, sha256, file: "p.yaml" }));
      strictEqual(refusal.exit, 5);
      match(refusal.message, /^p\.yaml has serial/);
    }
  });
});

Deno.test("HighWaterMark takes the largest serial there is", () => {
  inFolder((state) => {
    new HighWaterMark(state, undefined, []).raise({ serial: Number.MAX_SAFE_INTEGER, sha256: A });
    const { serial, problems } = new HighWaterMark(state, undefined, [applied(Number.MAX_SAFE_INTEGER)]);
    deepStrictEqual([serial, problems], [Number.MAX_SAFE_INTEGER, []]);
  });
});

Deno.test("HighWaterMark is not lowered by deleting, changing or damaging its file", () => {
  for (
    const text of [undefined, "", "null", "{", '{"serial":1,"sha256":"x"}', `{"serial":2,"sha256":"${B}"}`]
  ) {
    inFolder((state) => {
      new HighWaterMark(state, undefined, []).raise({ serial: 7, sha256: A });
      if (text === undefined) Deno.removeSync(`${state}/serial.json`);
      else Deno.writeTextFileSync(`${state}/serial.json`, text);
      const mark = new HighWaterMark(state, undefined, [applied(7)]);
      strictEqual(mark.serial, 7, text);
      match(mark.problems.join("\n"), /the history knows serial 7, which holds/);
      deepStrictEqual(new HighWaterMark(state, undefined, [applied(7)]).problems, []);
    });
  }
});

Deno.test("HighWaterMark does not count what was refused, and notices a history that is gone", () => {
  inFolder((state) => {
    const refused: HistoryEntry = { ...applied(9), result: "refused" };
    strictEqual(new HighWaterMark(state, undefined, [refused]).serial, 0);
    new HighWaterMark(state, undefined, []).raise({ serial: 7, sha256: A });
    match(
      new HighWaterMark(state, undefined, []).problems.join(),
      /serial 7 was accepted, but the history is empty/,
    );
  });
});

Deno.test("HighWaterMark is held by the kernel when every file is gone", () => {
  using host = new TestInstallation();
  using anchor = Anchor.open(host.pins.folder);
  const { state } = host.places;
  new HighWaterMark(state, anchor, []).raise({ serial: 7, sha256: A });
  Deno.removeSync(`${state}/serial.json`);
  using again = Anchor.open(host.pins.folder);
  const mark = new HighWaterMark(state, again, []);
  strictEqual(mark.serial, 7);
  match(mark.problems.join("\n"), /is missing, but the kernel knows serial 7/);
  strictEqual(refusalOf(() => mark.check({ serial: 6, sha256: B, file: "p" })).exit, 5);
});
