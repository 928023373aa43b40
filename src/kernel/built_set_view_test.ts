import { deepEqual, equal } from "node:assert/strict";
import { BuiltSetView } from "./built_set_view.ts";
import { cgroupEntry, fileEntry, subtreeEntry } from "./entries.ts";
import { AEGIS, KIND } from "./layout.ts";
import { identityTail } from "./packed.ts";
import { SetBuilder } from "./set_builder.ts";
import { AUDIT_READS, identity } from "./test_support.ts";

Deno.test("BuiltSetView gives back what was put into the set, by slot", () => {
  const builder = new SetBuilder();
  const file = identity(10n, 3);
  builder.addRule(AUDIT_READS);
  builder.addRule({ ...AUDIT_READS, flags: AEGIS.RULE_ENFORCE, scopes: 2n ** 63n });
  builder.add(fileEntry(file, 1));
  builder.add(fileEntry(file, 0));
  builder.add(subtreeEntry(identity(20n), 1));
  builder.add(cgroupEntry(5n, 2n));
  builder.add(cgroupEntry(5n, 8n));
  builder.reachCgroupLevel(4);
  const view = new BuiltSetView(builder.build());
  deepEqual(view.entries(KIND.FILE, file.ino, identityTail(file)).map(({ rule }) => rule), [1, 0]);
  deepEqual(view.entries(KIND.CGROUP, 5n, 0n).map(({ mask }) => mask), [10n]);
  deepEqual(view.entries(KIND.FILE, 11n, identityTail(file)), []);
  equal(view.rule(1)?.scopes, 2n ** 63n);
  equal(view.rule(2), undefined);
  equal(view.cgroupDepth, 4);
  equal(view.live, AEGIS.LIVE_SUBTREES | AEGIS.LIVE_CGROUPS);
});
