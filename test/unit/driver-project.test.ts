/** Which Compose project is meant: as Compose itself would find out. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { normalizeProjectName, projectName } from "../../src/scaler/drivers/docker-project.ts";

let root: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "docktor-test-"));
  folder = join(root, "My.Shop (2)");
  mkdirSync(folder);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

const code = (value: string, words: RegExp): unknown =>
  expect.objectContaining({ code: value, message: expect.stringMatching(words) });

test.each([
  ["nats-multi", "nats-multi"],
  ["My.Shop (2)", "myshop2"],
  ["_-Shop_A", "shop_a"],
  ["2fast", "2fast"],
  ["...", ""],
])("the folder %j makes the project %j", (name, expected) => {
  expect(normalizeProjectName(name)).toBe(expected);
});

describe("the project", () => {
  test("is what was said before all else", () => {
    const composeFile = write("compose.yaml", "name: named");
    const env = { COMPOSE_PROJECT_NAME: "from-env" };
    expect(projectName({ project: "said", composeFile, env })).toBe("said");
  });

  test("is what the environment says before what the file says", () => {
    const composeFile = write("compose.yaml", "name: named");
    const env = { COMPOSE_PROJECT_NAME: "from-env" };
    expect(projectName({ composeFile, env })).toBe("from-env");
  });

  test.each([
    ["COMPOSE_PROJECT_NAME=dotted", "dotted"],
    ['# a note\nexport COMPOSE_PROJECT_NAME="dotted" # why', "dotted"],
    ["COMPOSE_PROJECT_NAME='dotted'", "dotted"],
    ["COMPOSE_PROJECT_NAME = dotted # why", "dotted"],
    ["OTHER=1", "named"],
  ])("is what .env beside the file says: %j", (content, expected) => {
    const composeFile = write("compose.yaml", "name: named");
    write(".env", content);
    expect(projectName({ composeFile, env: {} })).toBe(expected);
  });

  test("is the file's name, else that of its folder", () => {
    const named = write("compose.yaml", "name: named\nservices: {}");
    const nameless = write("other.yaml", "services: {}");
    expect(projectName({ composeFile: named, env: {} })).toBe("named");
    expect(projectName({ composeFile: nameless, env: {} })).toBe("myshop2");
  });

  test("is found from a folder below, too", () => {
    write("docker-compose.yaml", "services: {}");
    const below = join(folder, "src", "deep");
    mkdirSync(below, { recursive: true });
    expect(projectName({ folder: below, env: {} })).toBe("myshop2");
  });

  test("cannot be told without a Compose file", () => {
    expect(() => projectName({ folder, env: {} })).toThrow(
      code("TARGET_UNAVAILABLE", /no Compose file.*target\.compose_file/),
    );
    expect(() => projectName({ composeFile: join(folder, "none.yaml"), env: {} })).toThrow(
      code("TARGET_UNAVAILABLE", /cannot be read/),
    );
  });

  test("has a name that Compose takes", () => {
    expect(() => projectName({ project: "My Shop" })).toThrow(code("INVALID_OPTION", /lower-case/));
    const composeFile = write("compose.yaml", "name: shop-${TIER}");
    expect(() => projectName({ composeFile, env: {} })).toThrow(
      code("INVALID_OPTION", /set target\.project/),
    );
  });
});
