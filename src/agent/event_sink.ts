/**
 * Where events go: standard output, a file, the journal or nowhere.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { DatagramSocket } from "../../ffi/unix_socket.ts";
import type { DecisionEvent } from "../events/event.ts";
import { journalEntry } from "../events/journal.ts";
import { LineWriter } from "./line_writer.ts";
import { Refusal } from "./refusal.ts";

/** Takes events and never makes its caller wait. */
export interface EventSink {
  emit(event: DecisionEvent): void;
  /** Events that could not be written. */
  readonly dropped: number;
  /** Writes what is still waiting, for at most `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}

/**
 * Opens a sink.
 *
 * @param where `-`, `off`, `journal` or a path.
 * @throws {Refusal} 2 if the file cannot be opened.
 */
export async function openEventSink(where: string): Promise<EventSink> {
  if (where === "off") return { emit: () => {}, dropped: 0, close: () => Promise.resolve() };
  if (where === "journal") return new JournalSink();
  if (where === "-") return new LineSink(new LineWriter(Deno.stdout));
  try {
    // To write only, the open of a FIFO would wait for a reader.
    const file = await Deno.open(where, { append: true, create: true, mode: 0o600, read: isFifo(where) });
    return new LineSink(new LineWriter(file), file);
  } catch (error) {
    throw new Refusal(
      2,
      `Cannot write events to ${where}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function isFifo(path: string): boolean {
  try {
    return Deno.statSync(path).isFifo === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const JOURNAL_SOCKET = "/run/systemd/journal/socket";

class LineSink implements EventSink {
  readonly #writer: LineWriter;
  readonly #file: Deno.FsFile | undefined;

  constructor(writer: LineWriter, file?: Deno.FsFile) {
    this.#writer = writer;
    this.#file = file;
  }

  get dropped(): number {
    return this.#writer.dropped;
  }

  emit(event: DecisionEvent): void {
    this.#writer.write(JSON.stringify(event));
  }

  async close(timeoutMs: number): Promise<void> {
    await this.#writer.flush(timeoutMs);
    this.#file?.close();
  }
}

class JournalSink implements EventSink {
  readonly #socket = new DatagramSocket(JOURNAL_SOCKET);
  #dropped = 0;

  get dropped(): number {
    return this.#dropped;
  }

  emit(event: DecisionEvent): void {
    try {
      this.#socket.send(journalEntry(event));
    } catch (error) {
      // journald is behind or not running: an agent that waited for it could stop the whole host.
      if (!(error instanceof SystemError)) throw error;
      this.#dropped++;
    }
  }

  close(): Promise<void> {
    this.#socket[Symbol.dispose]();
    return Promise.resolve();
  }
}
