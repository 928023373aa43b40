import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { History, historyFiles, readHistory } from "./history.ts";
import type { AnchorState } from "../kernel/anchor.ts";

function inFolder(test: (state: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "aegisbpf-history-" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A history of so many entries; what opening it reports. */
function written(state: string, entries: number): string[] {
  const told: string[] = [];
  const history = new History(state, undefined, (line) => told.push(line));
  for (let serial = 1; serial <= entries; serial++) history.append({ what: "apply", result: "done", serial });
  return told;
}

function linesOf(state: string): string[] {
  return Deno.readTextFileSync(`${state}/history.jsonl`).trimEnd().split("\n");
}

function problemsOf(state: string, anchor?: Partial<AnchorState>): readonly string[] {
  const read = () => ({ serial: 0, sha256: "", entries: 0, head: "", ...anchor });
  return readHistory(historyFiles(state), anchor && { read }).problems;
}

Deno.test("History writes entries that hold the hash of the one before, over restarts", () => {
  inFolder((state) => {
    deepStrictEqual([written(state, 2), written(state, 1)], [[], []]);
    const { entries, problems, head } = readHistory(historyFiles(state));
    deepStrictEqual(problems, []);
    deepStrictEqual(entries.map(({ seq, what }) => [seq, what]), [1, 2, 3].map((seq) => [seq, "apply"]));
    strictEqual(entries[0]?.prev, "00".repeat(32));
    strictEqual(head.seq, 3);
    strictEqual((Deno.statSync(`${state}/history.jsonl`).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("readHistory() finds nothing wrong when there is no history", () => {
  inFolder((state) => deepStrictEqual(problemsOf(state), []));
});

const edits: readonly (readonly [string, (lines: string[]) => string[], RegExp])[] = [
  [
    "an entry was edited",
    (lines) => lines.with(1, lines[1]?.replace('"serial":2', '"serial":9') ?? ""),
    /entry 2 was changed/,
  ],
  [
    "the last entry was edited",
    (lines) => lines.with(4, lines[4]?.replace('"serial":5', '"serial":9') ?? ""),
    /entry 5 is not the one/,
  ],
  ["an entry was deleted", (lines) => lines.toSpliced(2, 1), /entry 3 is missing/],
  ["the first entries were deleted", (lines) => lines.slice(2), /entries 1 to 2 are missing/],
  ["the last entry was cut off", (lines) => lines.slice(0, 4), /entry 5 is missing at the end/],
  ["the end was cut off", (lines) => lines.slice(0, 2), /entries 3 to 5 are missing at the end/],
  ["all entries were deleted", () => [], /entries 1 to 5 are missing at the end/],
  [
    "two entries were exchanged",
    (lines) => [lines[1], lines[0], ...lines.slice(2)].map(String),
    /is missing|stands after/,
  ],
  ["an entry was repeated", (lines) => [...lines, String(lines[4])], /entry 5 stands after entry 5/],
  ["a line was put in", (lines) => lines.toSpliced(2, 0, "{}"), /line 3 is not an entry/],
  ["a line is no text", (lines) => lines.with(2, "\u0000\ufffd"), /line 3 is not an entry/],
];
for (const [what, edit, problem] of edits) {
  Deno.test(`readHistory() finds it when ${what}`, () => {
    inFolder((state) => {
      written(state, 5);
      Deno.writeTextFileSync(
        `${state}/history.jsonl`,
        edit(linesOf(state)).map((line) => `${line}\n`).join(""),
      );
      match(problemsOf(state).join("\n"), problem);
      const told = written(state, 1);
      match(told.join("\n"), problem);
      // It stays found when the agent has written more.
      match([...problemsOf(state), ...linesOf(state)].join("\n"), problem);
      deepStrictEqual(readHistory(historyFiles(state)).entries.at(-2)?.what, "damage");
    });
  });
}

Deno.test("readHistory() finds it in the kernel's state when both files were cut back", () => {
  inFolder((state) => {
    written(state, 2);
    const before = [
      Deno.readTextFileSync(`${state}/history.jsonl`),
      Deno.readTextFileSync(`${state}/history.head`),
    ];
    written(state, 2);
    const { head } = readHistory(historyFiles(state));
    const anchor = { entries: head.seq, head: head.sha256 };
    deepStrictEqual(problemsOf(state, anchor), []);
    Deno.writeTextFileSync(`${state}/history.jsonl`, before[0] ?? "");
    Deno.writeTextFileSync(`${state}/history.head`, before[1] ?? "");
    deepStrictEqual(problemsOf(state), []);
    match(problemsOf(state, anchor).join(), /entries 3 to 4 are missing at the end: the kernel/);
    for (const path of ["history.jsonl", "history.head"]) Deno.removeSync(`${state}/${path}`);
    match(problemsOf(state, anchor).join(), /entries 1 to 4 are missing at the end: the kernel/);
  });
});

Deno.test("readHistory() finds a head that is missing or damaged", () => {
  inFolder((state) => {
    written(state, 3);
    Deno.removeSync(`${state}/history.head`);
    match(problemsOf(state).join(), /history\.head is missing/);
    for (const text of ["", "null", "{", '{"seq":-1}', '{"seq":3,"sha256":"zz"}']) {
      Deno.writeTextFileSync(`${state}/history.head`, text);
      match(problemsOf(state).join(), /history\.head is damaged/, text);
    }
    written(state, 1);
    deepStrictEqual(problemsOf(state), []);
    ok([...Deno.readDirSync(state)].some(({ name }) => name.startsWith("history.head.damaged-")));
  });
});

Deno.test("History goes on when a crash came between an entry and its head", () => {
  inFolder((state) => {
    written(state, 2);
    const head = Deno.readTextFileSync(`${state}/history.head`);
    written(state, 1);
    Deno.writeTextFileSync(`${state}/history.head`, head);
    deepStrictEqual([written(state, 1), problemsOf(state)], [[], []]);
    strictEqual(linesOf(state).length, 4);
  });
});

Deno.test("History sets an entry aside that was torn by a power cut, and says so", () => {
  inFolder((state) => {
    written(state, 2);
    const torn = linesOf(state)[1]?.slice(0, 40) ?? "";
    Deno.writeTextFileSync(`${state}/history.jsonl`, torn, { append: true });
    strictEqual(readHistory(historyFiles(state)).torn, 40);
    match(written(state, 1).join(), /not written to its end/);
    const { entries, problems, torn: rest } = readHistory(historyFiles(state));
    deepStrictEqual([problems, rest, entries.map(({ what }) => what)], [[], 0, [
      "apply",
      "apply",
      "damage",
      "apply",
    ]]);
    const aside = [...Deno.readDirSync(state)].find(({ name }) => name.includes(".damaged-"))?.name;
    strictEqual(Deno.readTextFileSync(`${state}/${aside}`), torn);
  });
});

Deno.test("History reports an entry that cannot be written, and writes it later", () => {
  inFolder((state) => {
    const told: string[] = [];
    const history = new History(state, undefined, (line) => told.push(line));
    Deno.mkdirSync(`${state}/history.jsonl`);
    history.append({ what: "apply", result: "done", serial: 1 });
    history.append({ what: "apply", result: "done", serial: 2 });
    strictEqual(history.unwritten, 2);
    strictEqual(told.length, 1);
    Deno.removeSync(`${state}/history.jsonl`);
    history.flush();
    deepStrictEqual([history.unwritten, linesOf(state).length, problemsOf(state)], [0, 2, []]);
  });
});

Deno.test("History says once what is wrong, however often it is opened", () => {
  inFolder((state) => {
    written(state, 3);
    Deno.writeTextFileSync(`${state}/history.jsonl`, linesOf(state).toSpliced(1, 1).join("\n") + "\n");
    for (let time = 0; time < 3; time++) written(state, 0);
    strictEqual(linesOf(state).filter((line) => line.includes('"damage"')).length, 1);
  });
});
