/** Tests that cannot run where they are. */
import { describe, expect, test } from "vitest";

/** Skips them, and says why; but in CI they fail: there, nobody reads what was skipped. */
export function describeMissing(title: string, reason: string): void {
  if (process.env["CI"]) {
    test(title, () => expect.fail(reason));
  } else {
    console.warn(`SKIPPED: ${title}: ${reason}`);
    describe.skip(`${title}: ${reason}`, () => test("is skipped", () => {}));
  }
}
