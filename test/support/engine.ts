/** A real Docker engine for tests, where one answers, with an image that is made of this machine's own Node. */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import Dockerode from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** Where Node is in the image: at the same place as here. */
const NODE = realpathSync(process.execPath);

/** What the tests of the engine get. */
export interface TestEngine {
  readonly docker: Dockerode;
  /** An id that no other run of the tests has, for names. */
  readonly run: string;
  /** The image's id, once tests run. */
  readonly image: string;
  /** What runs Node in it. */
  readonly node: string;
}

/**
 * Like `describe`, if a Docker engine answers where Docker's own environment says. Builds the image before the tests, without
 * a registry, and removes it after them; `XDG_STATE_HOME` is a folder of theirs.
 *
 * Where none answers the tests are skipped with the reason, but in CI they fail: there, nobody reads what was skipped.
 */
export async function describeOnEngine(
  title: string,
  define: (engine: TestEngine) => void,
): Promise<void> {
  const docker = new Dockerode();
  const missing = await whyMissing(docker);
  if (missing !== undefined) {
    describeMissing(title, `no Docker engine answers: ${missing}`);
    return;
  }
  const run = randomBytes(4).toString("hex");
  let image = "";
  describe(`${title} (Docker engine ${(await docker.version()).Version})`, () => {
    const state = mkdtempSync(join(tmpdir(), "docktor-test-"));
    const before = process.env["XDG_STATE_HOME"];

    beforeAll(async () => {
      process.env["XDG_STATE_HOME"] = state;
      image = await importNode(docker, `docktor-test-${run}`);
    }, 120_000);

    afterAll(async () => {
      if (before === undefined) delete process.env["XDG_STATE_HOME"];
      else process.env["XDG_STATE_HOME"] = before;
      rmSync(state, { recursive: true, force: true });
      await docker.getImage(image).remove({ force: true });
    }, 60_000);

    define({
      docker,
      run,
      node: NODE,
      get image() {
        return image;
      },
    });
  });
}

async function whyMissing(docker: Dockerode): Promise<string | undefined> {
  try {
    await docker.ping();
    return undefined;
  } catch (error) {
    return String((error as Error).message);
  }
}

function describeMissing(title: string, reason: string): void {
  if (process.env["CI"]) {
    test(title, () => expect.fail(reason));
  } else {
    console.warn(`SKIPPED: ${title}: ${reason}`);
    describe.skip(`${title}: ${reason}`, () => test("is skipped", () => {}));
  }
}

/** Makes an image of Node and the libraries that it needs; returns its id. */
async function importNode(docker: Dockerode, name: string): Promise<string> {
  // `libm.so.6 => /lib/libm.so.6 (0x…)`, and the loader, whose path stands alone.
  const libraries =
    execFileSync("ldd", [NODE], { encoding: "utf8" }).match(/\/\S+(?= \(0x)/g) ?? [];
  const files = [NODE, ...libraries].map((path) => path.slice(1));
  // What the paths lead to, under the names by which Node asks for it.
  const tar = spawn("tar", ["-C", "/", "-chf", "-", ...files], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const progress = await docker.importImage(tar.stdout, { repo: name, tag: "latest" });
  const said = await text(progress);
  if (/"error"/.test(said)) throw new Error(said);
  return (await docker.getImage(`${name}:latest`).inspect()).Id;
}
