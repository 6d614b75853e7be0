import { describe, expect, test } from "vitest";
import { subjectMatches } from "../../src/nats/stream.ts";

describe("a stream's subject", () => {
  test.each([
    ["events.p.*", "events.p.7"],
    ["events.>", "events.p.7"],
    [">", "events.p.7"],
    ["events.p.7", "events.p.7"],
    ["*.p.*", "events.p.7"],
  ])("%s covers %s", (pattern, subject) => {
    expect(subjectMatches(pattern, subject)).toBe(true);
  });

  test.each([
    ["events.*", "events.p.7"],
    ["events.p.7.>", "events.p.7"],
    ["events.p.*.x", "events.p.7"],
    ["orders.>", "events.p.7"],
    ["events.p.70", "events.p.7"],
  ])("%s does not cover %s", (pattern, subject) => {
    expect(subjectMatches(pattern, subject)).toBe(false);
  });
});
