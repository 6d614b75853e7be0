/** Lines that stay, and on a terminal a live table below them. */
import type { WriteStream } from "node:tty";

/** Where a command that goes on speaks. */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #startedAt = performance.now();
  #table: readonly string[] = [];

  /** Lines go to `out`; the table only if that is a terminal. */
  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** A line that stays, with the time. */
  say(line: string): void {
    const at = `${((performance.now() - this.#startedAt) / 1_000).toFixed(1)} s`.padStart(6);
    this.line(`${at}  ${line}`);
  }

  /** A line that stays. */
  line(line: string): void {
    this.#redraw([line], this.#table);
  }

  /** Whether a table would be seen. */
  get isLive(): boolean {
    return this.#out.isTTY;
  }

  /** Replaces the table. */
  show(table: readonly string[]): void {
    if (this.#out.isTTY) this.#redraw([], table);
  }

  /** Removes the table. */
  hide(): void {
    this.#redraw([], []);
  }

  #redraw(lines: readonly string[], below: readonly string[]): void {
    const width = (this.#out as Partial<WriteStream>).columns ?? 80;
    // A table line that wraps would be two to go back over.
    const fitting = below.map((line) => line.slice(0, width - 1));
    const erase = this.#table.length === 0 ? "" : `\x1b[${this.#table.length}A\x1b[J`;
    const text = [...lines, ...fitting].map((line) => `${line}\n`).join("");
    this.#table = fitting;
    if (erase !== "" || text !== "") this.#out.write(erase + text);
  }
}
