import { ok } from "node:assert/strict";
import { mount, MountFlags, openPath, unmount } from "../../ffi/libc.ts";
import { TestPlaces } from "../kernel/test_support.ts";
import { type FollowerOptions, runFollower, type Watched } from "./follower.ts";

/** When each look began, in milliseconds. */
async function looksWhile(
  options: Pick<FollowerOptions, "watched">,
  use: (looks: readonly number[]) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const looks: number[] = [];
  const follow = () => looks.push(performance.now());
  const following = runFollower({ follow, signal: abort.signal, ...options });
  try {
    await use(looks);
  } finally {
    abort.abort();
    await following;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !condition();) {
    if (performance.now() > end) throw new Error("Expected another look within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("runFollower() looks every 100 ms where directories do not tell of all changes", async () => {
  await looksWhile({ watched: { observe: () => {}, needsMore: () => true } }, async (looks) => {
    await until(() => looks.length > 12);
    const pauses = looks.slice(1).map((look, index) => look - (looks[index] ?? 0)).toSorted((a, b) => a - b);
    // Half of them: a loaded machine may let any one wait.
    ok((pauses[6] ?? Infinity) < 125, `pauses of ${pauses.map(Math.round)} ms`);
  });
});

Deno.test("runFollower() looks within 100 ms of a mount", async () => {
  using places = new TestPlaces();
  const at = `${places.folder}/mounted`;
  Deno.mkdirSync(at);
  await looksWhile({}, async (looks) => {
    const delays: number[] = [];
    for (let round = 0; round < 5; round++) {
      const [before, started] = [looks.length, performance.now()];
      if (round % 2 === 0) mount(places.folder, at, "", MountFlags.Bind);
      else unmount(at);
      await until(() => looks.length > before);
      delays.push((looks[before] ?? Infinity) - started);
    }
    unmount(at);
    // Most of them: a loaded machine may let any one wait.
    ok(
      (delays.toSorted((a, b) => a - b)[2] ?? Infinity) < 100,
      `looks ${delays.map(Math.round)} ms after a mount`,
    );
  });
});

Deno.test("runFollower() looks within 100 ms of a change in a directory on the way", async () => {
  using places = new TestPlaces();
  using directory = openPath(places.folder);
  const observe: Watched["observe"] = (entered) => entered?.(directory);
  await looksWhile({ watched: { observe, needsMore: () => false } }, async (looks) => {
    const delays: number[] = [];
    for (let round = 0; round < 5; round++) {
      const [before, started] = [looks.length, performance.now()];
      places.file(`new-${round}`);
      await until(() => looks.length > before);
      delays.push((looks[before] ?? Infinity) - started);
    }
    ok(
      (delays.toSorted((a, b) => a - b)[2] ?? Infinity) < 100,
      `looks ${delays.map(Math.round)} ms after a change`,
    );
  });
});
