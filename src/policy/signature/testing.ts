/**
 * What the tests of signatures share: keys and signatures by the real ssh-keygen, in a folder of their own.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { NAMESPACE } from "./sshsig.ts";

/** How ssh-keygen ended. */
export interface SshKeygen {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A folder that only its owner can write to, with keys in it. */
export class KeyFolder implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "aegisbpf-keys-" });

  /** Runs ssh-keygen to its end; `input` is its standard input. */
  async keygen(
    args: readonly string[],
    input?: Uint8Array,
    env: Record<string, string> = {},
  ): Promise<SshKeygen> {
    const child = new Deno.Command("ssh-keygen", {
      args: [...args],
      env,
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (input !== undefined) {
      const writer = child.stdin.getWriter();
      // It may end before it has read all of it.
      await writer.write(input).then(() => writer.close()).catch(() => {});
    }
    const { code, stdout, stderr } = await child.output();
    return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
  }

  /** Makes a key; gives the path of its private half. */
  async key(name: string, type = "ed25519", ...more: string[]): Promise<string> {
    const path = `${this.path}/${name}`;
    const { code, err } = await this.keygen(["-q", "-t", type, "-N", "", "-C", name, "-f", path, ...more]);
    if (code !== 0) throw new Error(`ssh-keygen -t ${type}: ${err}`);
    return path;
  }

  /** The line of a key's public half, without its end. */
  publicKey(name: string): string {
    return Deno.readTextFileSync(`${this.path}/${name}.pub`).trimEnd();
  }

  /** What `ssh-keygen -Y sign` makes of a message. */
  async sign(
    name: string,
    message: Uint8Array,
    { namespace = NAMESPACE, options = [] }: { namespace?: string; options?: readonly string[] } = {},
  ): Promise<Uint8Array> {
    const args = ["-Y", "sign", "-q", "-f", `${this.path}/${name}`, "-n", namespace];
    const { code, out, err } = await this.keygen([...args, ...options], message);
    if (code !== 0) throw new Error(`ssh-keygen -Y sign: ${err}`);
    return Buffer.from(out);
  }

  /** Writes a file of mode 0600; gives its path. */
  file(name: string, content: string | Uint8Array): string {
    const path = `${this.path}/${name}`;
    Deno.writeFileSync(path, Buffer.from(content), { mode: 0o600 });
    Deno.chmodSync(path, 0o600);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
