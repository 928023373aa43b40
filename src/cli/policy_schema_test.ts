import { ok } from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { TestHost } from "./test_support.ts";

for (const line of ["policy schema", "policy schema --events"]) {
  Deno.test(`${line} prints a schema that a strict validator takes`, async () => {
    using host = new TestHost();
    await host.run(line);
    const ajv = new Ajv2020({ strict: true, strictRequired: false, formats: { "date-time": true } });
    ok(ajv.compile(JSON.parse(host.out)));
  });
}
