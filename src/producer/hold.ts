/** When to ask a stream again that has no leader. */

const SHORTEST_MS = 50;
const LONGEST_MS = 2_000;

/** The pause that a producer makes while the stream takes nothing. */
export class Hold {
  /** While above 0, nothing is sent before this moment. */
  #until = 0;
  /** One message was sent as a question, and is not answered yet. */
  #asking = false;
  /** How often there was no leader since the stream last took a message. */
  #times = 0;

  /** Whether there is a pause: from `begin` until `end`, also when its time is over. */
  get active(): boolean {
    return this.#until > 0;
  }

  /** When the stream should be asked again, on the clock of `performance.now()`. */
  get until(): number {
    return this.#until;
  }

  /** Whether there is a pause and it is time to ask the stream again. */
  isOver(now: number): boolean {
    return this.#until > 0 && now >= this.#until;
  }

  /** The stream has no leader: pauses, the longer the more often it had none. */
  begin(now: number): void {
    if (this.#until > 0 && !this.#asking) return;
    this.#asking = false;
    const pause = Math.min(SHORTEST_MS * 2 ** this.#times, LONGEST_MS);
    this.#times++;
    // Many producers lose one leader at the same moment.
    this.#until = now + pause * (0.8 + 0.4 * Math.random());
  }

  /** A message is sent as a question, whose answer is awaited for at most `ms`. */
  ask(now: number, ms: number): void {
    this.#asking = true;
    this.#until = now + ms;
  }

  /** Sending may go on, and the next pause is a short one again. */
  end(): void {
    this.#until = 0;
    this.#asking = false;
    this.#times = 0;
  }
}
