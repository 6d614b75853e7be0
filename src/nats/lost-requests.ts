/** Requests that do not outlive the connection on which their answer would have come. */
import { errors, type NatsConnection } from "@nats-io/transport-node";

/**
 * The same connection, but that its requests fail as soon as it breaks, as if they had timed out: their
 * answers are lost. What is asked meanwhile never gets out, and fails once the connection is back.
 */
export function failingWhenCut(connection: NatsConnection): NatsConnection {
  const underWay = new Set<(error: Error) => void>();
  void (async () => {
    for await (const { type } of connection.status()) {
      if (type !== "disconnect" && type !== "reconnect") continue;
      for (const fail of underWay) fail(new errors.TimeoutError());
    }
  })();
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
  return new Proxy(connection, {
    get: (target, name) => {
      if (name === "request") return request;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
