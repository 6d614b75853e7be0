/** Ids of members that nobody has named. */
import { hostname } from "node:os";

/** How such an id begins: with the host's name and the process's id, of characters that ids may have. */
export function unnamedMember(pid: number): string {
  const host = hostname().replace(/[^A-Za-z0-9_-]/g, "-") || "member";
  return `${host}-${pid}`;
}
