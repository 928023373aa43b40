import { equal, notEqual } from "node:assert/strict";
import { openAt } from "./libc.ts";
import { passDescriptor } from "./pass_descriptor.ts";
import { systemCall } from "./syscall.ts";

// The library stays open until the process ends; opened within a test it would count as a leak of that test.
systemCall("close", -1);

Deno.test("passDescriptor() gives another descriptor of the same file", () => {
  using file = openAt("/proc/self/exe");
  const { step, result } = passDescriptor(file.fd);
  equal(step, "recvmsg");
  notEqual(result, file.fd);
  const target = (fd: number) => Deno.readLinkSync(`/proc/self/fd/${fd}`);
  equal(target(result), target(file.fd));
  equal(systemCall("close", result), 0);
});

Deno.test("passDescriptor() answers with the error of what is no descriptor", () => {
  const EBADF = 9;
  equal(passDescriptor(-1).result, -EBADF);
});
