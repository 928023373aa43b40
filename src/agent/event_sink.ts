/**
 * Where events go: standard output, a file, the journal or nowhere; and the recorder.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { DatagramSocket } from "../../ffi/unix_socket.ts";
import type { AgentEvent } from "../events/state_event.ts";
import { journalEntry } from "../events/journal.ts";
import { dropReason, Drops, LineWriter } from "./line_writer.ts";
import { RecordWriter } from "./record_writer.ts";
import { Refusal } from "./refusal.ts";

/** Takes events and never makes its caller wait. */
export interface EventSink {
  /** What it is called in `health`. */
  readonly name: "events" | "recorder";
  /** Where it writes to. */
  readonly where: string;
  /** @param line The event in JSON. */
  emit(event: AgentEvent, line: string): void;
  /** Events that could not be written, by reason. */
  readonly drops: Drops;
  /** Why events are lost now. */
  readonly failure: string | undefined;
  /** Writes what is still waiting, for at most `timeoutMs`; what is not written then is dropped. */
  close(timeoutMs: number): Promise<void>;
}

/**
 * Opens a sink; undefined for `off`.
 *
 * @param where `-`, `off`, `journal` or a path.
 * @throws {Refusal} 2 if the file cannot be opened.
 */
export async function openEventSink(where: string): Promise<EventSink | undefined> {
  if (where === "off") return undefined;
  if (where === "journal") return new JournalSink();
  if (where === "-") return new LineSink("standard output", new LineWriter(Deno.stdout));
  try {
    // To write only, the open of a FIFO would wait for a reader.
    const file = await Deno.open(where, { append: true, create: true, mode: 0o600, read: isFifo(where) });
    return new LineSink(where, new LineWriter(file), file);
  } catch (error) {
    throw new Refusal(
      2,
      `Cannot write events to ${where}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/**
 * The recorder. What cannot be written is dropped and counted: an agent starts also where its state cannot be written.
 *
 * @param totalBytes How much is kept, at least 64 KiB.
 */
export function openRecorder(folder: string, totalBytes: number): EventSink {
  const files = new RecordWriter(folder, { totalBytes });
  const writer = new LineWriter(files, MAX_WAITING);
  return {
    name: "recorder",
    where: folder,
    drops: writer.drops,
    get failure() {
      return writer.failure;
    },
    emit: (_event, line) => {
      writer.write(line);
    },
    close: async (timeoutMs) => {
      const deadline = performance.now() + timeoutMs;
      await giveUp(writer, timeoutMs);
      await inTime(files.close(), deadline - performance.now());
    },
  };
}

const MAX_WAITING = 4 << 20;

/** Writes what waits, for so long; the rest is dropped. */
async function giveUp(writer: LineWriter, timeoutMs: number): Promise<void> {
  const left = await writer.flush(timeoutMs);
  if (left > 0) writer.drops.add("behind", left);
}

/** Waits for it, but not for long, nor for its success: a disk may hang. */
async function inTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: number | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, timeoutMs));
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}

function isFifo(path: string): boolean {
  try {
    return Deno.statSync(path).isFifo === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

class LineSink implements EventSink {
  readonly name = "events";
  readonly #writer: LineWriter;
  readonly #file: Deno.FsFile | undefined;

  constructor(readonly where: string, writer: LineWriter, file?: Deno.FsFile) {
    this.#writer = writer;
    this.#file = file;
  }

  get drops(): Drops {
    return this.#writer.drops;
  }

  get failure(): string | undefined {
    return this.#writer.failure;
  }

  emit(_event: AgentEvent, line: string): void {
    this.#writer.write(line);
  }

  async close(timeoutMs: number): Promise<void> {
    await giveUp(this.#writer, timeoutMs);
    this.#file?.close();
  }
}

const JOURNAL_SOCKET = "/run/systemd/journal/socket";

/** Sends events to journald. */
export class JournalSink implements EventSink {
  readonly name = "events";
  readonly where = "the journal";
  readonly drops = new Drops();
  readonly #socket: DatagramSocket;
  #failure: string | undefined;

  /** @param path journald's native socket. */
  constructor(path: string = JOURNAL_SOCKET) {
    this.#socket = new DatagramSocket(path);
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  emit(event: AgentEvent, line: string): void {
    try {
      this.#socket.send(journalEntry(event, line));
      this.#failure = undefined;
    } catch (error) {
      // journald is behind or not running: an agent that waited for it could stop the whole host.
      if (!(error instanceof SystemError)) throw error;
      this.drops.add(dropReason(error));
      this.#failure = error.message;
    }
  }

  close(): Promise<void> {
    this.#socket[Symbol.dispose]();
    return Promise.resolve();
  }
}
