/** The kinds of queue that docktor knows by itself. */
import { NatsQueue } from "./nats.ts";
import { registerQueue } from "./queue.ts";

registerQueue("nats", (config) => new NatsQueue(config));
