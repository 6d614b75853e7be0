import { describe, expect, test } from "vitest";
import { DocktorError, toDocktorError } from "../../src/errors.ts";

describe("whatever is thrown becomes an error that says what it was", () => {
  test.each<[string, unknown, string]>([
    ["an error", new RangeError("too far"), "too far"],
    ["a text", "just so", "just so"],
    ["nothing", undefined, "undefined"],
    ["an object without a prototype", Object.create(null), "[Object: null prototype] {}"],
  ])("%s", (_what, thrown, message) => {
    expect(toDocktorError(thrown)).toMatchObject({ code: "UNEXPECTED", message });
  });

  test("a docktor error stays what it is", () => {
    const error = new DocktorError("FENCED", "too late");
    expect(toDocktorError(error)).toBe(error);
  });
});
