/** Adds up what events stand for, as they are written, without keeping them. */

/** The events of the day's rules in one file. */
export class Told {
  #sum = 0;
  #offset = 0;
  #rest = "";

  /** @param path The file given to `run --events`, which is made */
  constructor(readonly path: string) {
    Deno.writeTextFileSync(path, "");
  }

  /** Whether a rule, by its id, is one of the day's; the canary of `health` is not. */
  static isOurs(rule: string): boolean {
    return rule.startsWith("soak-") || rule.startsWith("hand:soak-");
  }

  /** How many decisions of the day's rules the events so far stand for. */
  sum(): number {
    using file = Deno.openSync(this.path);
    const bytes = new Uint8Array(1 << 20), decoder = new TextDecoder();
    file.seekSync(this.#offset, Deno.SeekMode.Start);
    for (let n = file.readSync(bytes); n; n = file.readSync(bytes)) {
      this.#offset += n;
      const lines = (this.#rest + decoder.decode(bytes.subarray(0, n), { stream: true })).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.#add(JSON.parse(line));
    }
    return this.#sum;
  }

  #add({ action, rule, count }: { action: string; rule: string; count: number }): void {
    if (action === "deny" && Told.isOurs(rule)) this.#sum += count;
  }
}
