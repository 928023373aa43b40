import { deepEqual, equal } from "node:assert/strict";
import { TestKernel } from "./test_support.ts";
import { Teller } from "./teller.ts";

Deno.test("Teller tells what the kernel side of an agent tells, and attaches nothing", () => {
  using kernel = new TestKernel();
  const path = kernel.file("a");
  {
    using teller = new Teller();
    deepEqual(teller.identities.of(path)?.identity, kernel.identityOf(path));
    equal(teller.identities.of(`${path}-not`), undefined);
  }
  equal(kernel.state.identities.of(path)?.links, 1);
});
