/** What becomes of a write whose answer never came, over the store in memory. */
import { beforeEach, describe, expect, test } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { settle } from "../../src/lease/settle.ts";
import { ABSENT } from "../../src/lease/store.ts";
import { ManualClock } from "../support/clock.ts";
import { MemoryStore } from "../support/memory-store.ts";

const code = (value: string): unknown => expect.objectContaining({ code: value });

/** What happens to one attempt of the write, or to a read. */
type Fate = "answered" | "lost" | "answer lost" | "held up" | "refused";

let store: MemoryStore;
/** What happens to the attempts, one after the other; those beyond are answered. */
let attempts: Fate[];
let reads: Fate[];
let [sent, read] = [0, 0];

beforeEach(() => {
  store = new MemoryStore(new ManualClock());
  [attempts, reads, sent, read] = [[], [], 0, 0];
});

const silence = (): DocktorError => new DocktorError("TIMEOUT", "no answer");
const refusal = (): DocktorError => new DocktorError("STREAM_NOT_FOUND", "the bucket was deleted");

/** Writes `{ n }`, by attempts that end as they are meant to. */
async function write(n: number, expected: number): Promise<number> {
  /** A copy that is still on its way, and arrives before the next attempt. */
  let heldUp: (() => Promise<number>) | undefined;
  return await settle({
    key: "k",
    value: { n },
    expected,
    read: async () => {
      read++;
      const fate = reads.shift() ?? "answered";
      if (fate === "refused") throw refusal();
      if (fate !== "answered") throw silence();
      return await store.get("k");
    },
    send: async () => {
      sent++;
      const carryOut = (): Promise<number> => store.write("k", { n }, expected);
      await heldUp?.();
      heldUp = undefined;
      const fate = attempts.shift() ?? "answered";
      if (fate === "answered") return await carryOut();
      if (fate === "answer lost") await carryOut();
      if (fate === "held up") heldUp = carryOut;
      throw fate === "refused" ? refusal() : silence();
    },
  });
}

const revision = async (): Promise<number | undefined> => (await store.get("k"))?.revision;

describe("a write whose answer never came", () => {
  test("is found when it had landed, and not sent again", async () => {
    attempts = ["answer lost"];
    expect(await write(1, ABSENT)).toBe(await revision());
    expect(sent).toBe(1);
  });

  test("is sent again when it had not", async () => {
    attempts = ["lost"];
    expect(await write(1, ABSENT)).toBe(await revision());
    expect(sent).toBe(2);
  });

  test("is sent again when nobody could tell what became of it", async () => {
    [attempts, reads] = [["lost"], ["lost"]];
    expect(await write(1, ABSENT)).toBe(await revision());
  });

  test("is its own when it landed late, and its second copy was refused for that", async () => {
    attempts = ["held up"];
    expect(await write(1, ABSENT)).toBe(await revision());
    expect(sent).toBe(2);
  });

  test("is its own when only the second look could tell", async () => {
    [attempts, reads] = [["answer lost"], ["lost"]];
    expect(await write(1, ABSENT)).toBe(await revision());
  });

  test("is not taken for landed because the value before was the same", async () => {
    const before = await store.write("k", { n: 1 }, ABSENT);
    attempts = ["lost", "lost", "lost"];
    await expect(write(1, before)).rejects.toEqual(code("TIMEOUT"));
    expect(await revision()).toBe(before);
  });

  test("is a conflict when another writer came between", async () => {
    await store.write("k", { n: 2 }, ABSENT);
    attempts = ["lost"];
    await expect(write(1, ABSENT)).rejects.toEqual(code("CONFLICT"));
    expect(sent).toBe(2);
  });

  test("is given up after three attempts", async () => {
    attempts = ["lost", "lost", "lost", "answered"];
    await expect(write(1, ABSENT)).rejects.toEqual(code("TIMEOUT"));
    expect([sent, await revision()]).toEqual([3, undefined]);
  });

  test("is not sent again once there is another reason than silence", async () => {
    [attempts, reads] = [["lost"], ["refused"]];
    await expect(write(1, ABSENT)).rejects.toEqual(code("STREAM_NOT_FOUND"));
    expect(sent).toBe(1);
  });
});

describe("a write that was answered", () => {
  test("with a conflict at once is another's, also when that one wrote the same", async () => {
    await store.write("k", { n: 1 }, ABSENT);
    await expect(write(1, ABSENT)).rejects.toEqual(code("CONFLICT"));
    expect([sent, read]).toEqual([1, 0]);
  });

  test("with another refusal is not sent again", async () => {
    attempts = ["refused"];
    await expect(write(1, ABSENT)).rejects.toEqual(code("STREAM_NOT_FOUND"));
    expect([sent, read]).toEqual([1, 0]);
  });
});

test("a conflict after silence stays open when the read is not answered either", async () => {
  await store.write("k", { n: 1 }, ABSENT);
  attempts = ["lost", "answered"];
  reads = ["lost", "lost"];
  await expect(write(2, ABSENT)).rejects.toEqual(code("TIMEOUT"));
});
