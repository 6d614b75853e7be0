/** Images that are made of this machine's own programs: the tests have no registry to pull from. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import type Dockerode from "dockerode";

/** Node, at the same place as here. */
export const NODE: string = realpathSync(process.execPath);

/** What an image consists of. */
interface Contents {
  /** Paths here and there; their libraries come along. */
  readonly programs: readonly string[];
  readonly folders?: readonly string[];
  readonly files?: readonly string[];
  /** From a path there to another one there. */
  readonly links?: Readonly<Record<string, string>>;
  /** Lines of a Dockerfile. */
  readonly changes?: readonly string[];
}

/**
 * Makes an image on which ours can be built, as `node:22-slim` is one: Node, npm, a shell, and this machine's way to the
 * packages. Returns its id.
 */
export async function importNode(docker: Dockerode, name: string): Promise<string> {
  const npm = realpathSync(which("npm"));
  const authorities = process.env["NODE_EXTRA_CA_CERTS"];
  return await importImage(docker, name, {
    programs: [NODE, "/bin/sh", "/usr/bin/env"],
    // `npm/bin/npm-cli.js`
    folders: [dirname(dirname(npm))],
    files: authorities === undefined ? [] : [authorities],
    links: {
      "/usr/local/bin/node": NODE,
      "/usr/local/bin/npm": npm,
      "/usr/local/bin/npx": npm.replace(/npm-cli\.js$/, "npx-cli.js"),
    },
    changes: [
      `ENV npm_config_registry=${run("npm", "config", "get", "registry")}`,
      ...(authorities === undefined ? [] : [`ENV NODE_EXTRA_CA_CERTS=${authorities}`]),
    ],
  });
}

/** Makes an image that runs a nats-server, as the official one does. Returns its id. */
export async function importNatsServer(
  docker: Dockerode,
  name: string,
  binary: string,
): Promise<string> {
  const program = realpathSync(binary);
  const changes = [`ENTRYPOINT ${JSON.stringify([program])}`];
  return await importImage(docker, name, { programs: [program], changes });
}

async function importImage(
  docker: Dockerode,
  repo: string,
  { programs, folders = [], files = [], links = {}, changes = [] }: Contents,
): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "docktor-test-"));
  try {
    const all = [...programs, ...programs.flatMap(librariesOf), ...files];
    // What the paths lead to, under the names by which programs ask for it.
    execFileSync("cp", ["--dereference", "--parents", ...new Set(all), root]);
    for (const folder of folders) cpSync(folder, join(root, folder), { recursive: true });
    for (const [path, target] of Object.entries(links)) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      symlinkSync(target, join(root, path));
    }
    for (const folder of ["etc", "root", "tmp"]) mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
    // Not only its maker may see it.
    chmodSync(root, 0o755);
    chmodSync(join(root, "tmp"), 0o1777);
    const args = ["-C", root, "--owner=0", "--group=0", "-cf", "-", "."];
    const tar = spawn("tar", args, { stdio: ["ignore", "pipe", "inherit"] });
    const options = { repo, tag: "latest", changes: changes.join("\n") };
    const said = await text(await docker.importImage(tar.stdout, options));
    if (/"error"/.test(said)) throw new Error(said);
    return (await docker.getImage(`${repo}:latest`).inspect()).Id;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The libraries that a program loads; none where it is all of one piece. */
function librariesOf(program: string): string[] {
  // `libm.so.6 => /lib/libm.so.6 (0x…)`, and the loader, whose path stands alone.
  const { stdout } = spawnSync("ldd", [program], { encoding: "utf8" });
  return stdout.match(/\/\S+(?= \(0x)/g) ?? [];
}

function which(program: string): string {
  return run("sh", "-c", `command -v ${program}`);
}

function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: "pipe" }).trim();
}
