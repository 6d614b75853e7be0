import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { narrate } from "../../src/cli/narrate.ts";
import { Consumer } from "../../src/consumer/consumer.ts";
import { DocktorError, type ErrorCode } from "../../src/errors.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** A consumer that is narrated, and what was said since the last look. */
function narrated(): {
  consumer: Consumer;
  fails: (code: ErrorCode, message: string) => void;
  said: () => string[];
} {
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push((JSON.parse(line) as { msg: string }).msg);
  };
  const consumer = new Consumer({ stream: "EVENTS", subject: "events", group: "WORKERS" });
  narrate(consumer, pino({ level: "info" }, { write }));
  return {
    consumer,
    fails: (code, message) => consumer.emit("error", new DocktorError(code, message)),
    said: () => lines.splice(0),
  };
}

describe("a handler that fails for ever", () => {
  test("is told at once, and then every ten seconds with how often", () => {
    const { fails, said } = narrated();
    fails("HANDLER_FAILED", "attempt 1");
    expect(said()).toEqual(["attempt 1"]);
    for (let attempt = 2; attempt <= 100; attempt++) fails("HANDLER_FAILED", `attempt ${attempt}`);
    vi.advanceTimersByTime(9_999);
    expect(said()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(said()).toEqual(["attempt 100 (98 more failures since the last such line)"]);
    fails("HANDLER_FAILED", "attempt 101");
    vi.advanceTimersByTime(10_000);
    expect(said()).toEqual(["attempt 101"]);
  });

  test("is told at once again after a quiet time", () => {
    const { fails, said } = narrated();
    fails("HANDLER_FAILED", "attempt 1");
    vi.advanceTimersByTime(10_000);
    fails("HANDLER_FAILED", "attempt 2");
    expect(said()).toEqual(["attempt 1", "attempt 2"]);
  });

  test("hides no other error", () => {
    const { fails, said } = narrated();
    fails("HANDLER_FAILED", "the handler failed");
    fails("TIMEOUT", "first");
    fails("TIMEOUT", "second");
    expect(said()).toEqual(["the handler failed", "first", "second"]);
  });
});

test("a message that is under way for too long, and one that is set aside, are told", () => {
  const { consumer, said } = narrated();
  const message = { partition: 3, epoch: 1, sequence: 42 };
  consumer.emit("partition:stalled", { ...message, stalledMs: 300_000 });
  const aside = { key: "k", reason: "stalled", attempts: 2, deadLetter: 7 } as const;
  consumer.emit("message:dead-lettered", { ...message, ...aside });
  expect(said()).toEqual([
    "partition 3 does not get on: message 42 has been under way for 5m 00s",
    "message 42 of partition 3 was set aside (stalled) as dead letter 7; see docktor dlq show 7",
  ]);
});
