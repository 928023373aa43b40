import { deepStrictEqual, ok } from "node:assert/strict";
import type { Diary, Sample } from "./guest.ts";
import { checksOf } from "./verdict.ts";

const samples = (own: (round: number) => number, rss: (round: number) => number = () => 90_000): Sample[] =>
  Array.from(
    { length: 48 },
    (_, round) => ({ seconds: round, rss: rss(round), own: own(round), maps: 1 << 20 }),
  );

const GOOD: Diary = {
  ...{
    kernel: "6.1",
    backend: "lsm",
    minutes: 30,
    rounds: 48,
    done: { floods: 48 },
    leaks: {},
    problems: [],
  },
  ...{ refused: 100, counted: 100, told: 100, samples: samples(() => 60_000) },
  events: { emitted: 100, delivered: 10, coalesced: 88, dropped: 2 },
};

/** What each check says, in short. */
function said(diary: Partial<Diary>): string {
  return checksOf({ ...GOOD, ...diary }).map(({ ok }) => ok === undefined ? "-" : ok ? "ok" : "no").join();
}

Deno.test("checksOf() passes a day without a fault", () => {
  deepStrictEqual(said({}), "ok,ok,ok,ok,ok,ok,ok");
});

Deno.test("checksOf() fails what leaked, what was lost and what grew", () => {
  deepStrictEqual(said({ problems: ["x"] }), "no,ok,ok,ok,ok,ok,ok");
  deepStrictEqual(said({ leaks: { canary: 1 } }), "ok,no,ok,ok,ok,ok,ok");
  deepStrictEqual(said({ told: 99 }), "ok,ok,no,ok,ok,ok,ok");
  deepStrictEqual(said({ counted: 101 }), "ok,ok,no,ok,ok,ok,ok");
  deepStrictEqual(said({ events: { ...GOOD.events, dropped: 1 } }), "ok,ok,ok,no,ok,ok,ok");
  deepStrictEqual(
    said({ samples: samples(() => 60_000, (round) => 90_000 + 100 * round) }),
    "ok,ok,ok,ok,no,ok,ok",
  );
  deepStrictEqual(said({ samples: samples((round) => 60_000 + 100 * round) }), "ok,ok,ok,ok,ok,no,ok");
});

Deno.test("checksOf() does not judge memory after a day that is too short, nor a day without an open", () => {
  deepStrictEqual(said({ samples: samples(() => 1).slice(0, 20) }), "ok,ok,ok,ok,-,-,-");
  deepStrictEqual(said({ refused: 0, counted: 0, told: 0 }), "ok,no,ok,ok,ok,ok,ok");
});

Deno.test("the service levels show what came of the day that is recorded, and what it missed", () => {
  const recorded: Diary = JSON.parse(Deno.readTextFileSync(new URL("results.json", import.meta.url)));
  const checks = checksOf(recorded);
  const [lived, leaks, counts, accounting, ...memory] = checks;
  deepStrictEqual([lived, leaks, counts, accounting].map((check) => check?.ok), [true, true, true, true]);
  const page = Deno.readTextFileSync(new URL("../../docs/SLO.md", import.meta.url));
  const { refused, counted, told } = recorded;
  const link = "](../tests/soak/results.json)";
  const shown = [
    `[0 of ${refused.toLocaleString("en")}${link}`,
    `[${[refused, counted, told].map((count) => count.toLocaleString("en")).join(", ")}${link}`,
    ...memory.map(({ ok, detail }) =>
      `[${detail.slice(detail.lastIndexOf(": ") + 2)}${link}${ok ? " " : ", missed"}`
    ),
  ];
  for (const number of shown) ok(page.includes(number), number);
});
