/**
 * Gives each reader of outside input inputs that were made from good ones by small and large accidents, and looks that it
 * neither crashes nor hangs, keeps its promises (see targets.ts) and stays within its memory.
 *
 *   tests/fuzz/run [SECONDS] [--seed 1] [TARGET]...         all targets by default, in that time together
 *   tests/fuzz/run --input FILE TARGET                      one input again
 *
 * One seed gives one sequence of inputs. An input that fails is kept in build/fuzz/; when the whole process dies of one, it
 * is NAME.current there. The last line is
 * `N passed, N failed, 0 skipped`, a target each; exit status 1 when one failed.
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { type FuzzJob, type FuzzReport, inputIn, SHARED_BYTES } from "./job.ts";
import { TARGETS } from "./targets.ts";

/** Milliseconds that a reader may take for one input; a busy machine takes longer than an idle one. */
const HANG_MS = 20_000;
/** Most memory of each, bytes. */
const MEMORY = 512 << 20;
const CRASHES = fileURLToPath(new URL("../../build/fuzz", import.meta.url));

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    input: { type: "string" },
  },
  allowPositionals: true,
});
const amounts = positionals.filter((word) => /^\d+$/.test(word));
const chosen = positionals.filter((word) => !amounts.includes(word));
const names = chosen.length > 0 ? chosen : Object.keys(TARGETS);
const unknown = names.find((name) => !Object.hasOwn(TARGETS, name));
const [seconds, seed] = [Number(amounts[0] ?? values.seconds), Number(values.seed)];
if (unknown !== undefined || !(seconds > 0) || !Number.isInteger(seed)) {
  console.error(
    `Expected --seconds and --seed to be numbers, and targets of ${Object.keys(TARGETS).join(", ")}`,
  );
  Deno.exit(2);
}
if (values.input !== undefined) {
  for (const name of names) {
    console.log(`${name}: ${await TARGETS[name]?.run(Deno.readFileSync(values.input))}`);
  }
  Deno.exit(0);
}
console.log(`seed ${seed}, ${seconds} s`);
Deno.mkdirSync(CRASHES, { recursive: true });
let failed = 0;
for (const name of names) {
  const current = `${CRASHES}/${name}.current`;
  forgetPeak();
  const report = await fuzz({ target: name, seed, ms: seconds * 1000 / names.length, current });
  Deno.removeSync(current);
  const rate = `${report.inputs} inputs, ${report.outcomes} outcomes, ${Math.round(peak() / (1 << 20))} MB`;
  if (report.failure === undefined) {
    console.log(`${name} ... ok: ${rate}`);
    continue;
  }
  failed++;
  const kept = `${CRASHES}/${name}-${seed}`;
  Deno.writeFileSync(kept, report.input ?? new Uint8Array());
  console.log(
    `${name} ... FAILED: ${rate}\n${report.failure}\nagain: tests/fuzz/run --input ${kept} ${name}`,
  );
}
console.log(`${names.length - failed} passed, ${failed} failed, 0 skipped`);
Deno.exit(failed > 0 ? 1 : 0);

/** Runs a target in a thread of its own, which can be watched while it hangs. */
function fuzz(job: Omit<FuzzJob, "shared">): Promise<FuzzReport> {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const worker = new Worker(import.meta.resolve("./worker.ts"), { type: "module" });
  const counter = new Int32Array(shared);
  return new Promise((resolve) => {
    let [last, since] = [0, performance.now()];
    const end = (report: FuzzReport) => {
      clearInterval(timer);
      worker.terminate();
      resolve(report);
    };
    const stopped = (failure: string) => end({ inputs: last, outcomes: 0, failure, input: inputIn(shared) });
    const timer = setInterval(() => {
      const now = Atomics.load(counter, 0);
      if (now !== last) [last, since] = [now, performance.now()];
      if (performance.now() - since > HANG_MS) stopped(`no answer within ${HANG_MS / 1000} s`);
      else if (peak() > MEMORY) stopped(`more than ${MEMORY >> 20} MB of memory`);
    }, 250);
    worker.onmessage = ({ data }: MessageEvent<FuzzReport>) => end(data);
    worker.onerror = (event) => {
      event.preventDefault();
      stopped(event.message);
    };
    worker.postMessage({ ...job, shared } satisfies FuzzJob);
  });
}

/** Lets {@linkcode peak} begin again with what is in use: proc(5), `clear_refs`. */
function forgetPeak(): void {
  Deno.writeTextFileSync("/proc/self/clear_refs", "5");
}

/** The most memory that this process has had, bytes. */
function peak(): number {
  const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}
