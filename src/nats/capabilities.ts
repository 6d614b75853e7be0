/** What the connected server can do, checked before anything relies on it. */
import type { NatsConnection } from "@nats-io/transport-node";
import { DocktorError } from "../errors.ts";

/** The oldest server that docktor is tested with. */
const OLDEST = "2.9.10";

/**
 * Up to the release before this one, a compare-and-set on a replicated stream may have several winners: its
 * leader checks the revision before it asks the others, so that two writers at a time both pass
 * (nats-io/nats-server#4320).
 */
const ATOMIC_WHEN_REPLICATED = "2.9.21";

/**
 * From this release on, a stream that names no limit of consumers has one of 1,000, unless the server's
 * configuration (`default_max_consumers`) or the account says otherwise.
 */
const LIMITS_CONSUMERS = "2.15.0";

function parts(version: string): number[] {
  return version.split(/[.-]/).slice(0, 3).map(Number);
}

/** Whether version `a` is older than version `b`; both as `major.minor.patch`. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/**
 * Refuses a server that is older than the oldest one docktor is tested with: such
 * servers ignore, without an error, settings that docktor's guarantees rest on.
 *
 * @throws DocktorError SERVER_UNSUPPORTED
 */
export function requireSupportedServer(connection: NatsConnection): void {
  const version = connection.info?.version ?? "unknown";
  if (!isOlder(version, OLDEST)) return;
  throw new DocktorError(
    "SERVER_UNSUPPORTED",
    `the NATS server at ${connection.getServer()} is version ${version}: upgrade it to ${OLDEST} or newer`,
  );
}

/** Whether a stream that names no limit of consumers has one all the same. */
export function limitsConsumers(connection: NatsConnection): boolean {
  return !isOlder(connection.info?.version ?? "unknown", LIMITS_CONSUMERS);
}

/**
 * How many replicas a bucket may have whose writes are compare-and-set, if so many are wanted: only one
 * where more would let two members win the same lease.
 */
export function atomicReplicas(connection: NatsConnection, wanted: number): number {
  const version = connection.info?.version ?? "unknown";
  return isOlder(version, ATOMIC_WHEN_REPLICATED) ? 1 : wanted;
}
