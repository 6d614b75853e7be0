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
function narrated(): { fails: (code: ErrorCode, message: string) => void; said: () => string[] } {
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push((JSON.parse(line) as { msg: string }).msg);
  };
  const consumer = new Consumer({ stream: "EVENTS", subject: "events", group: "WORKERS" });
  narrate(consumer, pino({ level: "info" }, { write }));
  return {
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
