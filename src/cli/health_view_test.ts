import { equal, match } from "node:assert/strict";
import { healthText, type HealthView } from "./health_view.ts";
import { styleOf } from "./output.ts";
import { healthReport } from "./test_support.ts";

const PLAIN = styleOf(false);

function headline(changes: Partial<HealthView>): string {
  return healthText({ ...healthReport(), ...changes }, PLAIN).split("\n")[0] ?? "";
}

Deno.test("healthText() begins with a line that says it all", () => {
  equal(headline({}), "enforce: 12 rules of web-tier (serial 7) by lsm; 3 paths waiting");
  equal(
    headline({ ok: false }),
    "enforce, unhealthy: 12 rules of web-tier (serial 7) by lsm; 3 paths waiting",
  );
  equal(
    headline({ agent: null }),
    "enforce, unattended: 12 rules of web-tier (serial 7) by lsm; 3 paths waiting",
  );
  equal(
    headline({ posture: "degraded", backend: "fentry" }),
    "degraded: 12 rules of web-tier (serial 7) reported only, this host cannot refuse, by fentry; 3 paths waiting",
  );
  equal(headline({ posture: "audit", policy: null }), "audit: no policy is in force");
  equal(headline({ posture: "off", policy: null, ok: false }), "off: nothing is refused");
  equal(
    headline({ posture: "off", ok: false }),
    "off: nothing is refused; 12 rules of web-tier (serial 7) loaded by lsm",
  );
});

Deno.test("healthText() tells each failed check once", () => {
  const text = healthText({
    ...healthReport(),
    ok: false,
    reasons: ["links: none attached"],
    checks: [
      { name: "links", ok: false, detail: "none attached" },
      { name: "heartbeat", ok: false, detail: "40 s old" },
      { name: "accounting", ok: true, detail: "exact" },
    ],
  }, PLAIN);
  equal(
    text.split("\n").slice(1).join("\n"),
    "  - links: none attached\n" +
      "  - heartbeat: 40 s old\n" +
      "  agent 1.0.0, pid 4711, up 2 h 3 min; kernel 6.1.0\n",
  );
});

Deno.test("healthText() colours the posture when there is colour, and nothing from outside drives the terminal", () => {
  const style = styleOf(true);
  const begins = (changes: Partial<HealthView>, expected: string) =>
    equal(healthText({ ...healthReport(), ...changes }, style).startsWith(expected), true, expected);
  begins({}, "\x1b[32menforce\x1b[0m: ");
  begins({ ok: false }, "\x1b[33menforce\x1b[0m, unhealthy");
  begins({ posture: "off" }, "\x1b[31moff\x1b[0m");
  match(healthText({ ...healthReport(), reasons: ["a\x1b[2Jb"] }, PLAIN), /- a\\u001b\[2Jb\n/);
});
