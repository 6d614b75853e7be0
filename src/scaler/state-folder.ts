/** Where docktor keeps what it writes for itself: logs and templates. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** A path under `$XDG_STATE_HOME/docktor`, by default `~/.local/state/docktor`. */
export function statePath(...parts: readonly string[]): string {
  const chosen = process.env["XDG_STATE_HOME"];
  // The XDG specification has relative paths ignored.
  const base = chosen && isAbsolute(chosen) ? chosen : join(homedir(), ".local", "state");
  return join(base, "docktor", ...parts);
}

/** A name as a file's: what could leave the folder, or confuse a shell, becomes `_`. */
export function fileName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_.-]/g, "_").replace(/^\./, "_");
}
