/** What is stored of a message set aside, and what comes back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type DeadLetter,
  deadLetterSubject,
  deadLetterSubjects,
  decodeDeadLetter,
  encodeDeadLetter,
  keyToken,
} from "../../src/consumer/dead-letters/dead-letter.ts";
import { subjectMatches } from "../../src/nats/stream.ts";

/** As a header can carry it: one line, without spaces around it. */
const line = fc.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n\0]/g, "").trim());

const headerName = fc
  .oneof(
    fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,20}$/),
    fc.constantFrom(
      "Nats-Msg-Id",
      "Nats-Expected-Stream",
      "X-Nats-Msg-Id",
      "X_-Nats-_Id",
      "nats-ttl",
      "Docktor-Replay",
      "Docktor-Dead-Letter-Error",
      "Docktor-Dead-Letter-Header-Nats-Msg-Id",
    ),
  )
  .filter((name) => name !== "Docktor-Key" && name !== "__proto__");

const letters: fc.Arbitrary<DeadLetter> = fc.record({
  group: fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
  partition: fc.nat(65_535),
  key: fc.option(line, { nil: undefined }),
  reason: fc.constantFrom("failed", "stalled", "parked"),
  attempts: fc.nat(1_000),
  error: line,
  memberId: fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
  origin: fc.record({
    subject: fc.constant("events.p.3"),
    sequence: fc.nat(),
    timestamp: fc.date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true }),
  }),
  headers: fc.option(
    fc.dictionary(headerName, fc.oneof(line, fc.array(line, { minLength: 2, maxLength: 3 })), {
      minKeys: 1,
      maxKeys: 5,
      noNullPrototype: true,
    }),
    { nil: undefined },
  ),
  data: fc.uint8Array(),
});

describe("a dead letter", () => {
  test("comes back as it was stored, with its key, even an empty one or none, and all its headers", () => {
    fc.assert(
      fc.property(letters, (letter) => {
        expect(decodeDeadLetter(encodeDeadLetter(letter), letter.data)).toEqual(letter);
      }),
    );
  });

  test("has no header of the message's own that means something to the server", () => {
    fc.assert(
      fc.property(letters, (letter) => {
        const names = Object.keys(encodeDeadLetter(letter));
        expect(names.filter((name) => /nats-/i.test(name))).toEqual([]);
      }),
    );
  });

  test("tells an error of several lines in one", () => {
    const [letter] = fc.sample(letters, 1);
    if (letter === undefined) return expect.fail();
    const stored = encodeDeadLetter({ ...letter, error: " first\r\n\0second\nthird " });
    expect(decodeDeadLetter(stored, letter.data)?.error).toBe("first second third");
  });

  test("is not what was stored with other headers", () => {
    const [letter] = fc.sample(letters, 1);
    if (letter === undefined) return expect.fail();
    expect(decodeDeadLetter({ trace: "t" }, letter.data)).toBeUndefined();
    const { "Docktor-Dead-Letter-Error": _error, ...rest } = encodeDeadLetter(letter);
    expect(decodeDeadLetter(rest, letter.data)).toBeUndefined();
  });

  test("is stored under a subject of its own key, which the stream stores and the filters match", () => {
    fc.assert(
      fc.property(letters, (letter) => {
        const { group, partition } = letter;
        const subject = deadLetterSubject("S", letter);
        expect(subjectMatches(deadLetterSubjects("S"), subject)).toBe(true);
        expect(subjectMatches(deadLetterSubjects("S", group, partition), subject)).toBe(true);
        expect(subjectMatches(deadLetterSubjects("S", `${group}x`), subject)).toBe(false);
        expect(subjectMatches(deadLetterSubjects("S", group, partition + 1), subject)).toBe(false);
      }),
    );
    expect(new Set([undefined, "", "-", "a", "a.b", "*"].map(keyToken)).size).toBe(6);
  });
});
