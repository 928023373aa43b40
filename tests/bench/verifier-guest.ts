/** The guest's part of verifier.ts: loads each program alone and prints what the verifier counted, as JSON. */

import { BpfObject } from "../../ffi/object.ts";
import { raiseMemlockLimit } from "../../ffi/libc.ts";
import { BpfLoadError } from "../../ffi/load_error.ts";
import { programInfo } from "../../ffi/program.ts";
import { loadAsset } from "../../src/kernel/assets.ts";
import { mappedArguments } from "../../src/kernel/kernel_functions.ts";
import { useShippedLibbpf } from "../../src/kernel/shipped_libbpf.ts";

/** libbpf's answer where the kernel has no function to attach to. */
const ESRCH = 3;

useShippedLibbpf();
raiseMemlockLimit();
const names = namesOf();
const counts = Object.fromEntries(names.map((name) => [name, verified(name)]));
console.log(JSON.stringify(counts));

function namesOf(): string[] {
  using object = BpfObject.open(loadAsset("aegis.bpf.o"), "aegis");
  return object.programs().map(({ name }) => name).sort();
}

/** Instructions that the verifier looked at; null where the kernel lacks the hook. */
function verified(name: string): number | null {
  using object = BpfObject.open(loadAsset("aegis.bpf.o"), "aegis");
  for (const program of object.programs()) program.setAutoload(program.name === name);
  for (const [variable, mapped] of Object.entries(mappedArguments())) {
    object.variable(variable).setInitialValue(Uint8Array.of(mapped ? 1 : 0));
  }
  try {
    object.load();
    return programInfo({ fd: object.program(name).fd }).verifiedInstructions;
  } catch (error) {
    if (!(error instanceof BpfLoadError) || error.errno !== ESRCH) throw error;
    return null;
  }
}
