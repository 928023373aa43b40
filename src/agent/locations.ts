/**
 * Where the product's files are; contract section 5.
 *
 * @module
 */

/** Paths of one installation. */
export interface Locations {
  readonly config: string;
  readonly policy: string;
  readonly allowedSigners: string;
  readonly revokedKeys: string;
  /** `/var/lib/aegisbpf` */
  readonly state: string;
  /** `/run/aegisbpf` */
  readonly run: string;
  readonly socket: string;
  /** Held while an agent runs; it contains the agent's pid. */
  readonly lock: string;
  /** A file that every policy set denies. */
  readonly canary: string;
  /** Root of the pins, on a bpffs. */
  readonly pins: string;
}

/** An environment variable that cannot be used. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
}

/**
 * The paths, with `AEGISBPF_ROOT` and `AEGISBPF_BPFFS` taken into account.
 *
 * @throws {EnvironmentError} if one of them is not an absolute path.
 */
export function locations(
  variables: { readonly AEGISBPF_ROOT?: string | undefined; readonly AEGISBPF_BPFFS?: string | undefined } = {
    AEGISBPF_ROOT: Deno.env.get("AEGISBPF_ROOT"),
    AEGISBPF_BPFFS: Deno.env.get("AEGISBPF_BPFFS"),
  },
): Locations {
  const root = folder("AEGISBPF_ROOT", variables.AEGISBPF_ROOT, "");
  const bpffs = folder("AEGISBPF_BPFFS", variables.AEGISBPF_BPFFS, "/sys/fs/bpf");
  return {
    config: `${root}/etc/aegisbpf/config.yaml`,
    policy: `${root}/etc/aegisbpf/policy.yaml`,
    allowedSigners: `${root}/etc/aegisbpf/allowed_signers`,
    revokedKeys: `${root}/etc/aegisbpf/revoked_keys`,
    state: `${root}/var/lib/aegisbpf`,
    run: `${root}/run/aegisbpf`,
    socket: `${root}/run/aegisbpf/control.sock`,
    lock: `${root}/run/aegisbpf/agent.lock`,
    canary: `${root}/run/aegisbpf/canary`,
    pins: `${bpffs}/aegisbpf`,
  };
}

function folder(name: string, value: string | undefined, fallback: string): string {
  if (value === undefined || value === "") return fallback;
  if (!value.startsWith("/") || value.includes("\0")) {
    throw new EnvironmentError(`Expected ${name} to be an absolute path, got ${JSON.stringify(value)}`);
  }
  return value.replace(/\/+$/, "");
}
