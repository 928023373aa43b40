import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { connectedPeers, DatagramSocket, peerCredentials } from "./unix_socket.ts";
import { DatagramReceiver } from "./test_receiver.ts";
import "./test_support.ts";

const PERL = "/usr/bin/perl";

function temporaryPath(): { path: string; remove: () => void } {
  const folder = Deno.makeTempDirSync();
  return { path: `${folder}/socket`, remove: () => Deno.removeSync(folder, { recursive: true }) };
}

Deno.test("DatagramSocket.send() reaches a path and an abstract address", () => {
  const { path, remove } = temporaryPath();
  const abstract = `aegisbpf-test-${crypto.randomUUID()}`;
  try {
    for (const [listen, address] of [[path, path], [`\0${abstract}`, `@${abstract}`]] as const) {
      using receiver = new DatagramReceiver(listen);
      using socket = new DatagramSocket(address);
      socket.send("READY=1\nSTATUS=é");
      socket.send(new Uint8Array([1, 2, 3]));
      assert.equal(new TextDecoder().decode(receiver.receive()), "READY=1\nSTATUS=é");
      assert.deepEqual(receiver.receive(), new Uint8Array([1, 2, 3]));
    }
  } finally {
    remove();
  }
});

Deno.test("DatagramSocket.send() throws when nobody receives", () => {
  using socket = new DatagramSocket("/does/not/exist");
  assert.throws(() => socket.send("x"), { code: "ENOENT", syscall: "sendto" });
  using abstract = new DatagramSocket("@aegisbpf-nobody");
  assert.throws(() => abstract.send("x"), { code: "ECONNREFUSED" });
});

Deno.test("DatagramSocket.send() throws EAGAIN rather than block when the receiver does not read", () => {
  const { path, remove } = temporaryPath();
  using _receiver = new DatagramReceiver(path);
  try {
    using socket = new DatagramSocket(path);
    assert.throws(() => {
      for (let index = 0; index < 100_000; index++) socket.send("x");
    }, { code: "EAGAIN" });
  } finally {
    remove();
  }
});

Deno.test("DatagramSocket throws RangeError when the address is too long or holds a NUL", () => {
  assert.throws(() => new DatagramSocket(`/${"x".repeat(107)}`), RangeError);
  assert.throws(() => new DatagramSocket(`@${"x".repeat(108)}`), RangeError);
  assert.throws(() => new DatagramSocket("/tmp/a\0b"), RangeError);
  new DatagramSocket(`@${"x".repeat(107)}`)[Symbol.dispose]();
});

Deno.test("connectedPeers() tells who is connected to a socket that this process listens on", async () => {
  const { path, remove } = temporaryPath();
  const listener = Deno.listen({ transport: "unix", path });
  try {
    assert.equal(connectedPeers(path).size, 0);
    using _client = await Deno.connect({ transport: "unix", path });
    using _connection = await listener.accept();
    const peers = [...connectedPeers(path)];
    assert.equal(peers.length, 1);
    const [fd, peer] = peers[0] ?? assert.fail();
    assert.deepEqual(peer, { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid() });
    assert.deepEqual(peerCredentials(fd), peer);
    assert.equal(connectedPeers("/another/path").size, 0);
  } finally {
    listener.close();
    remove();
  }
});

Deno.test(
  "connectedPeers() tells another user from root",
  { ignore: Deno.uid() !== 0 || !existsSync(PERL) },
  async () => {
    const { path, remove } = temporaryPath();
    const listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, 0o777);
    Deno.chmodSync(path.slice(0, path.lastIndexOf("/")), 0o755);
    const script =
      "socket S, AF_UNIX, SOCK_STREAM, 0; connect S, sockaddr_un(shift) or die $!; sysread S, $_, 1";
    const child = new Deno.Command(PERL, {
      args: ["-MSocket", "-e", script, path],
      cwd: "/",
      uid: 65534,
      gid: 65534,
    }).spawn();
    try {
      using _connection = await listener.accept();
      const [peer] = [...connectedPeers(path).values()];
      assert.deepEqual(peer, { pid: child.pid, uid: 65534, gid: 65534 });
    } finally {
      listener.close();
      await child.status;
      remove();
    }
  },
);

Deno.test("peerCredentials() throws when the descriptor is no socket", () => {
  assert.throws(() => peerCredentials(9999), { code: "EBADF" });
  using file = Deno.openSync("/dev/null");
  void file;
  const fd = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name)).find((fd) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${fd}`) === "/dev/null";
    } catch {
      return false;
    }
  });
  assert.throws(() => peerCredentials(fd ?? -1), { code: "ENOTSOCK" });
});
