/** Requests that do not outlive the connection on which their answer would have come. */
import { errors, type NatsConnection } from "@nats-io/transport-node";
import { followChanges } from "./connection-changes.ts";

/**
 * The same connection, but that its requests fail as soon as it breaks, as if they had timed out: their
 * answers are lost. What is asked meanwhile never gets out, and fails once the connection is back.
 */
export function failingWhenCut(connection: NatsConnection): {
  readonly requests: NatsConnection;
  readonly stop: () => void;
} {
  const underWay = new Set<(error: Error) => void>();
  const stop = followChanges(connection, ({ type }) => {
    if (type !== "disconnect" && type !== "reconnect") return;
    for (const fail of underWay) fail(new errors.TimeoutError());
  });
  const request: NatsConnection["request"] = async (...args) => {
    let fail = (_error: Error): void => {};
    const cut = new Promise<never>((_resolve, reject) => (fail = reject));
    underWay.add(fail);
    try {
      return await Promise.race([connection.request(...args), cut]);
    } finally {
      underWay.delete(fail);
    }
  };
  const requests = new Proxy(connection, {
    get: (target, name) => {
      if (name === "request") return request;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { requests, stop };
}
