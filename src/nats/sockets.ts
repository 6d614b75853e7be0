/**
 * Closes what a connection attempt that failed has left open: the client forgets the socket of an attempt that it gives
 * up while the server has yet to greet (nats-io/nats.js#64), and a process with an open socket does not end.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** Where Node tells of each socket that is opened, in the context of whoever opens it. */
const CHANNEL = "net.client.socket";

const attempts = new AsyncLocalStorage<Set<Socket>>();

/** Takes the step; when it fails, the sockets that it has opened are closed. */
export async function withoutLeftovers<T>(step: () => Promise<T>): Promise<T> {
  const opened = new Set<Socket>();
  const note = (told: unknown): void => {
    if (attempts.getStore() === opened) opened.add((told as { socket: Socket }).socket);
  };
  subscribe(CHANNEL, note);
  try {
    return await attempts.run(opened, step);
  } catch (error) {
    for (const socket of opened) socket.destroy();
    throw error;
  } finally {
    unsubscribe(CHANNEL, note);
  }
}
