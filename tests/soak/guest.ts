/** The guest's part of main.ts: lives through the day and prints what it wrote down, as JSON. */

import { Act } from "../vm/guest/act.ts";
import { Agent } from "../vm/guest/agent.ts";
import { describeMachine } from "../vm/guest/machine.ts";
import { Day } from "./day.ts";

/** What a day came to. */
export interface Diary {
  readonly kernel: string;
  readonly backend: string;
  readonly minutes: number;
  readonly rounds: number;
  /** What was done, and how often. */
  readonly done: Readonly<Record<string, number>>;
  /** Denied opens that went through, by file. */
  readonly leaks: Readonly<Record<string, number>>;
  /** Refusals that the programs saw, that the kernel counted, and that events stand for. */
  readonly refused: number;
  readonly counted: number;
  readonly told: number;
  /** As `stats` says at the end. */
  readonly events: {
    readonly emitted: number;
    readonly delivered: number;
    readonly coalesced: number;
    readonly dropped: number;
  };
  /** At the end of each round. */
  readonly samples: readonly Sample[];
  /** Anything else that was not as it must be. */
  readonly problems: readonly string[];
}

/** What one agent needs at one time. */
export interface Sample {
  /** Since the rounds began. */
  readonly seconds: number;
  /** Resident memory of the agent, KiB. */
  readonly rss: number;
  /** Of that what is no file's, KiB: pages of the executable come and go, and cannot be lost. */
  readonly own: number;
  /** Memory that the kernel charges for the maps, bytes. */
  readonly maps: number;
}

/** Minutes from which on memory is judged, and the agent's lives are lived through again, under what the day has left. */
const WHOLE_DAY = 5;

const [kernel = "", minutes = "1"] = Deno.args;
const here = Deno.cwd(), scratch = "/srv/soak";
Deno.mkdirSync(scratch, { recursive: true });
const guest = describeMachine({ kernel, nothing: `${here}/nothing` });
/** Nothing is said about times here, and the machine may have other things to do. */
const agent = (folder: string) => new Agent(`${here}/${folder}/aegisbpf`, scratch, {}, 300_000);
const day = new Day({
  guest,
  act: new Act(`${here}/act`),
  agents: [agent("agent"), agent("next")],
  scratch,
});
const log = (): void => console.error(day.agent.log(20_000));
try {
  await day.begin();
  await day.lives();
  const whole = Number(minutes) >= WHOLE_DAY;
  if (whole) day.fill();
  const samples = await day.rounds(Number(minutes) * 60_000);
  if (whole) await day.lives();
  const diary: Diary = { kernel, minutes: Number(minutes), samples, ...await day.end() };
  console.log(JSON.stringify(diary));
  log();
} catch (error) {
  log();
  throw error;
}
Deno.exit(0);
