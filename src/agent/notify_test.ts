import { deepStrictEqual, match } from "node:assert/strict";
import { ServiceManager } from "./notify.ts";
import { DatagramReceiver } from "../../ffi/test_receiver.ts";
import "../../ffi/test_support.ts";

/** A service manager's socket, with what has come to it. */
class Manager implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "aegisbpf-notify-" });
  readonly path = `${this.folder}/notify`;
  readonly #socket = new DatagramReceiver(this.path);

  /** The lines of the next message; none where there is no message. */
  next(): string[] {
    return new TextDecoder().decode(this.#socket.receive()).split("\n").filter((line) => line !== "");
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("ServiceManager says ready, reloading and stopping as sd_notify wants it", () => {
  using socket = new Manager();
  const manager = new ServiceManager({ NOTIFY_SOCKET: socket.path });
  manager.ready("enforce: 3 rules");
  deepStrictEqual(socket.next(), ["READY=1", "STATUS=enforce: 3 rules"]);
  manager.reloading();
  const [reloading, time] = socket.next();
  deepStrictEqual(reloading, "RELOADING=1");
  match(time ?? "", /^MONOTONIC_USEC=\d{6,}$/);
  manager.stopping();
  deepStrictEqual(socket.next(), ["STOPPING=1"]);
});

Deno.test("ServiceManager.alive() feeds the watchdog where there is one, and tells a status once", () => {
  using socket = new Manager();
  const watched = new ServiceManager({
    NOTIFY_SOCKET: socket.path,
    WATCHDOG_USEC: "30000000",
    WATCHDOG_PID: String(Deno.pid),
  });
  watched.alive("audit");
  deepStrictEqual(socket.next(), ["WATCHDOG=1", "STATUS=audit"]);
  watched.alive("audit");
  deepStrictEqual(socket.next(), ["WATCHDOG=1"]);
  for (const other of [{ WATCHDOG_PID: "1", WATCHDOG_USEC: "30000000" }, { WATCHDOG_USEC: "0" }, {}]) {
    const manager = new ServiceManager({ NOTIFY_SOCKET: socket.path, ...other });
    manager.ready("audit");
    deepStrictEqual((socket.next())[0], "READY=1");
    manager.alive("audit");
    manager.alive("off");
    deepStrictEqual(socket.next(), ["STATUS=off"]);
    deepStrictEqual(socket.next(), []);
  }
});

Deno.test("ServiceManager says nothing where nobody asked, and passes over one that is gone", () => {
  new ServiceManager({}).ready("x");
  new ServiceManager({ NOTIFY_SOCKET: "" }).ready("x");
  new ServiceManager({ NOTIFY_SOCKET: "/does/not/exist" }).ready("x");
});
