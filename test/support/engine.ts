/** A real Docker engine for tests, where one answers, with an image that is made of this machine's own Node. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Dockerode from "dockerode";
import { afterAll, beforeAll, describe } from "vitest";
import { importNode, NODE } from "./images.ts";
import { describeMissing } from "./missing.ts";

/** What the tests of the engine get. */
export interface TestEngine {
  readonly docker: Dockerode;
  /** The socket at which the engine listens. */
  readonly socket: string;
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
  const found = await find(docker);
  if ("missing" in found) {
    describeMissing(title, found.missing);
    return;
  }
  const { socket } = found;
  const run = randomBytes(4).toString("hex");
  let image = "";
  describe(`${title} (Docker engine ${(await docker.version()).Version})`, () => {
    const before = process.env["XDG_STATE_HOME"];
    let state = "";

    beforeAll(async () => {
      state = mkdtempSync(join(tmpdir(), "docktor-test-"));
      process.env["XDG_STATE_HOME"] = state;
      image = await importNode(docker, `docktor-test-${run}`);
    }, 120_000);

    afterAll(async () => {
      if (before === undefined) delete process.env["XDG_STATE_HOME"];
      else process.env["XDG_STATE_HOME"] = before;
      rmSync(state, { recursive: true, force: true });
      if (image !== "") await docker.getImage(image).remove({ force: true });
    }, 60_000);

    define({
      docker,
      socket,
      run,
      node: NODE,
      get image() {
        return image;
      },
    });
  });
}

async function find(docker: Dockerode): Promise<{ socket: string } | { missing: string }> {
  const modem: unknown = docker.modem;
  const socket = await (modem as { getSocketPath(): Promise<string> | undefined }).getSocketPath();
  // They share folders, loopback and programs with their containers.
  if (process.platform !== "linux" || socket === undefined) {
    return { missing: "the Docker engine is to be this machine's own, on Linux, at a socket" };
  }
  try {
    await docker.ping();
    return { socket };
  } catch (error) {
    return { missing: `no Docker engine answers: ${(error as Error).message}` };
  }
}
