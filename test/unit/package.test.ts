/** The package as other programs find it. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("is found by its name, by import and by require: Node loads ES modules by both", () => {
  const index = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
  expect(createRequire(import.meta.url).resolve("docktor")).toBe(index);
  expect(fileURLToPath(import.meta.resolve("docktor"))).toBe(index);
});
