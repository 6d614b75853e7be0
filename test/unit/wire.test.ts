import { expect, test } from "vitest";
import { encodeData } from "../../src/producer/wire.ts";

test.each([
  [{}, "object"],
  [null, "object"],
  [7, "number"],
  [undefined, "undefined"],
])("data %j is refused by its type", (data, type) => {
  expect(() => encodeData(data as unknown as string)).toThrow(
    `data is of type ${type}: use a string or a Uint8Array`,
  );
});
