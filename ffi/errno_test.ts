import assert from "node:assert/strict";
import { errnoName, errnoNumber, errnoText, SystemError } from "./errno.ts";

Deno.test("errnoName() gives the symbolic name of a number", () => {
  assert.equal(errnoName(1), "EPERM");
  assert.equal(errnoName(95), "EOPNOTSUPP");
  assert.equal(errnoName(524), "ENOTSUPP");
});

Deno.test("errnoName() gives E and the number when it has no name", () => {
  assert.equal(errnoName(999), "E999");
  assert.equal(errnoText(999), "error 999");
});

Deno.test("errnoNumber() is the inverse of errnoName()", () => {
  for (let number = 1; number < 530; number++) {
    const name = errnoName(number);
    if (!/^E\d+$/.test(name)) assert.equal(errnoNumber(name as "EPERM"), number);
  }
});

Deno.test("SystemError carries the number, its name, the call and its subject", () => {
  const error = new SystemError(2, "bpf_obj_get", "/sys/fs/bpf/x");
  assert.equal(error.errno, 2);
  assert.equal(error.code, "ENOENT");
  assert.equal(error.syscall, "bpf_obj_get");
  assert.equal(error.message, "bpf_obj_get /sys/fs/bpf/x: no such file or directory (ENOENT)");
  assert.ok(error instanceof Error);
});
