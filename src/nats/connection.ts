/** Opening a connection to NATS, or borrowing the caller's, with JetStream checked. */
import {
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
} from "@nats-io/jetstream";
import { connect, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import { DocktorError, messageOf } from "../errors.ts";
import { fromNats, isUnanswered } from "./errors.ts";
import { requireSupportedServer } from "./capabilities.ts";
import { failingWhenCut } from "./lost-requests.ts";
import { patiently } from "./patience.ts";
import { withoutLeftovers } from "./sockets.ts";

/** The address that is used when none is given. */
export const DEFAULT_SERVER = "nats://127.0.0.1:4222";

/** How to reach NATS. */
export interface ConnectionSource {
  /**
   * One address or several of one cluster, such as `nats://127.0.0.1:4222`; may carry
   * `user:password@` or `token@`. With `tls://` a server without TLS is refused; with
   * `nats://` TLS is used if the server offers it. Default {@link DEFAULT_SERVER}.
   */
  servers?: string | readonly string[];
  /** A connection of the caller's own, used instead of `servers` and never closed by docktor. */
  connection?: NatsConnection;
}

/** A connection with its JetStream clients. */
export interface Link {
  readonly connection: NatsConnection;
  /** The same connection for requests to JetStream: those under way when it breaks fail at once. */
  readonly requests: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  /** Closes the connection if docktor opened it. */
  close(): Promise<void>;
}

/**
 * Connects, or borrows the caller's connection, and checks that JetStream answers.
 *
 * @throws DocktorError CONNECTION_FAILED, NOT_AUTHORIZED, JETSTREAM_DISABLED,
 *   SERVER_UNSUPPORTED, INVALID_OPTION
 */
export async function openLink(source: ConnectionSource, name: string): Promise<Link> {
  const connection = source.connection ?? (await dial(source.servers ?? DEFAULT_SERVER, name));
  const owned = source.connection === undefined;
  const { requests, stop } = failingWhenCut(connection);
  const close = async (): Promise<void> => {
    stop();
    if (owned) await connection.close();
  };
  try {
    requireSupportedServer(connection);
    // A cluster that is just choosing its leader does not answer.
    const manager = await patiently({}, () => manage(requests));
    return { connection, requests, jetstream: jetstream(requests), manager, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function manage(connection: NatsConnection): Promise<JetStreamManager> {
  try {
    return await jetstreamManager(connection);
  } catch (error) {
    throw explainNoJetStream(error, connection);
  }
}

async function dial(servers: string | readonly string[], name: string): Promise<NatsConnection> {
  const addresses = (typeof servers === "string" ? [servers] : servers).flatMap((each) =>
    each.split(","),
  );
  const parsed = addresses.map(parseAddress);
  const { user, pass, token } = parsed[0] ?? {};
  const options: ConnectionOptions = {
    servers: parsed.map((address) => address.server),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    // For a server to greet, too. The client does not notice when one dies while it does so, and waits for 20 s by default.
    timeout: 5_000,
    // A silently dead connection is found after two unanswered pings.
    pingInterval: 10_000,
    // A stack for each request, in case it should fail, was 8 % of the work of a member that joins; what failed is told.
    noAsyncTraces: true,
    ...(parsed.some((address) => address.encrypted) ? { tls: {} } : {}),
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(token === undefined ? {} : { token }),
  };
  try {
    return await withoutLeftovers(() => connect(options));
  } catch (error) {
    const shown = parsed.map((address) => address.server).join(", ");
    const known = fromNats(error, `connect to ${shown}`);
    if (known.code === "NOT_AUTHORIZED") throw known;
    const reason = reasonOf(error);
    if (reason.includes("does not support 'tls'")) {
      throw new DocktorError(
        "CONNECTION_FAILED",
        `the NATS server at ${shown} does not offer TLS, so nothing was sent to it: enable TLS there, or write nats:// instead of tls://`,
        { cause: error, retriable: false },
      );
    }
    throw new DocktorError(
      "CONNECTION_FAILED",
      `no NATS server answers at ${shown} (${reason}): start one with "nats-server -js", or name another with servers, --servers or NATS_URL`,
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return messageOf(cause);
}

interface Address {
  server: string;
  encrypted: boolean;
  user?: string;
  pass?: string;
  token?: string;
}

/** Splits the credentials off an address, so that no message can ever show them. */
function parseAddress(address: string): Address {
  const text = address.trim();
  const invalid = (): DocktorError =>
    new DocktorError(
      "INVALID_OPTION",
      `${JSON.stringify(text.replace(/\/\/[^/]*@/, "//***@"))} is not the address of a NATS server: write it as nats://host:4222`,
    );
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `nats://${text}`);
  } catch {
    throw invalid();
  }
  if (url.protocol !== "nats:" && url.protocol !== "tls:") throw invalid();
  if (url.hostname === "") throw invalid();
  const server = `${url.protocol}//${url.hostname}:${url.port === "" ? "4222" : url.port}`;
  const anonymous = { server, encrypted: url.protocol === "tls:" };
  if (url.username === "") return anonymous;
  const user = decodeURIComponent(url.username);
  if (url.password === "") return { ...anonymous, token: user };
  return { ...anonymous, user, pass: decodeURIComponent(url.password) };
}

function explainNoJetStream(cause: unknown, connection: NatsConnection): DocktorError {
  const server = connection.getServer();
  const error = fromNats(cause, "use JetStream");
  // At the first request of all, no answer means that nobody is there to give one.
  const missing = error.code === "JETSTREAM_DISABLED" || isUnanswered(cause);
  if (error.code === "TIMEOUT" && !missing) {
    return new DocktorError(
      "TIMEOUT",
      `JetStream at ${server} did not answer in time: see that it is enabled and that its cluster has a leader, then try again`,
      { cause: error },
    );
  }
  if (!missing) return error;
  return new DocktorError(
    "JETSTREAM_DISABLED",
    `the NATS server at ${server} has no JetStream: start it with "nats-server -js", or enable JetStream for this account`,
    { cause: error },
  );
}
