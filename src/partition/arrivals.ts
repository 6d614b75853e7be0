/** Who came to a group and who went, as told from one roster to the next. */
import type { Members } from "../lease/roster.ts";

/** Who is told. */
export interface ArrivalObserver {
  joined(memberId: string): void;
  left(memberId: string): void;
}

/** One member's knowledge of who is in its group. */
export class Arrivals {
  readonly #observer: ArrivalObserver;
  /** The incarnations that were told of, by member id. */
  readonly #known = new Map<string, string>();
  #over = false;

  constructor(observer: ArrivalObserver) {
    this.#observer = observer;
  }

  /** Tells who came and went since the last look. Another life of a member is another arrival. */
  see(members: Members): void {
    if (this.#over) return;
    for (const [id, incarnation] of this.#known) {
      if (members[id]?.incarnation === incarnation) continue;
      this.#known.delete(id);
      this.#observer.left(id);
    }
    for (const [id, { incarnation }] of Object.entries(members)) {
      if (this.#known.has(id)) continue;
      this.#known.set(id, incarnation);
      this.#observer.joined(id);
    }
  }

  /** Tells that this member itself left, and nothing from then on: an older roster may be on its way. */
  end(memberId: string): void {
    if (this.#known.delete(memberId)) this.#observer.left(memberId);
    this.#over = true;
  }
}
