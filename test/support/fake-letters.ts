/** A partition's dead letters, in memory. */
import { type DeadLetter, keyToken } from "../../src/consumer/dead-letters/dead-letter.ts";
import type {
  DeadLetterStream,
  StoredDeadLetter,
} from "../../src/consumer/dead-letters/dead-letter-stream.ts";

/** Keeps letters as the stream does, and fails when the test says so. */
export class FakeLetters {
  readonly stored: Map<number, StoredDeadLetter> = new Map();
  /** How often each of its next calls rejects. */
  failures = 0;
  #last = 0;

  /** As the code under test knows it. */
  readonly open: () => Promise<DeadLetterStream> = () =>
    Promise.resolve(this as unknown as DeadLetterStream);

  async put(letter: DeadLetter): Promise<number> {
    this.#answer();
    const { sequence } = letter.origin;
    for (const [id, { origin }] of this.stored) if (origin.sequence === sequence) return id;
    this.stored.set(++this.#last, { ...letter, id: this.#last, setAsideAt: new Date() });
    return this.#last;
  }

  async get(id: number): Promise<StoredDeadLetter | undefined> {
    this.#answer();
    return this.stored.get(id);
  }

  async first({ key }: Pick<DeadLetter, "key">): Promise<number | undefined> {
    this.#answer();
    return [...this.stored.values()].find((letter) => letter.key === key)?.id;
  }

  async remove(id: number): Promise<void> {
    this.#answer();
    this.stored.delete(id);
  }

  async parked(): Promise<Set<string>> {
    this.#answer();
    return new Set([...this.stored.values()].map(({ key }) => keyToken(key)));
  }

  #answer(): void {
    if (this.failures-- > 0) throw new Error("no answer");
  }
}
