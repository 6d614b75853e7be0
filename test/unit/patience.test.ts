import type { JetStreamManager } from "@nats-io/jetstream";
import { describe, expect, test } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { findConsumer } from "../../src/nats/find-consumer.ts";
import { patiently } from "../../src/nats/patience.ts";

describe("a step that the server does not answer", () => {
  const silent = new DocktorError("TIMEOUT", "no answer");

  /** Answers as often as there are errors with them, and then with "done". */
  const step = (...errors: Error[]) => {
    return async (): Promise<string> => {
      const error = errors.shift();
      if (error !== undefined) throw error;
      return "done";
    };
  };

  test("is repeated until it is answered, and each silence is told", async () => {
    const told: DocktorError[] = [];
    const options = { onTimeout: (error: DocktorError) => void told.push(error) };
    expect(await patiently(options, step(silent, silent))).toBe("done");
    expect(told).toEqual([silent, silent]);
  });

  test("is repeated, too, when the silence has cost the session", async () => {
    const lost = new DocktorError("SESSION_LOST", "not renewed in time");
    expect(await patiently({}, step(lost, silent))).toBe("done");
  });

  test("is not repeated when the answer is no", async () => {
    const refusal = new DocktorError("NOT_AUTHORIZED", "no");
    await expect(patiently({}, step(silent, refusal))).rejects.toBe(refusal);
  });

  test("is not repeated after the signal", async () => {
    await expect(patiently({ signal: AbortSignal.abort() }, step(silent))).rejects.toBe(silent);
  });
});

test("a consumer of which the server tells nothing, as it is being removed, counts as gone", async () => {
  const manager = { consumers: { info: async () => ({}) } } as unknown as JetStreamManager;
  expect(await findConsumer(manager, "S", "c")).toBeUndefined();
});
