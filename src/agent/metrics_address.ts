/**
 * Where `run --metrics` listens.
 *
 * @module
 */

/** Where metrics are asked for. */
export interface MetricsAddress {
  readonly hostname: string;
  readonly port: number;
}

/** `ADDR:PORT` or `[ADDR]:PORT`; undefined for anything else. */
export function parseMetricsAddress(text: string): MetricsAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const hostname = bracketed ?? plain;
  const port = Number(digits);
  return hostname === undefined || port > 65_535 ? undefined : { hostname, port };
}
