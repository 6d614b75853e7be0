import { arch, cpus } from "node:os";

/** What the figures were measured on. */
export function machine(): string {
  const { model = arch() } = cpus()[0] ?? {};
  return `${cpus().length} cores (${model}), Node.js ${process.versions.node}`;
}
