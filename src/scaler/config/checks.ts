/** What has to be right before a service is scaled, one thing at a time, and the checks that need nothing but files. */
import { relative } from "node:path";
import { DocktorError, messageOf } from "../../errors.ts";
import { inWords } from "../policy/rules.ts";
import { findService, readCompose } from "./compose.ts";
import type { QueueConfig, ScalerConfig, ServiceConfig } from "./config.ts";
import { writtenDuration } from "./duration.ts";

/** Something that is either right or not. */
export interface Check {
  /** What is looked at, such as `stream EVENTS`. */
  readonly name: string;
  /**
   * Looks at it, and tells what there is. It ends soon after the signal aborts.
   *
   * @throws an error that says what is wrong, and what to do
   */
  run(signal: AbortSignal): Promise<string>;
}

/** What a check has told. */
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** What there is, or what is wrong. */
  readonly message: string;
}

/** How long one check may take. */
const CHECK_MS = 10_000;

/** Runs them one after the other; one that takes longer than `timeoutMs`, by default 10,000, has failed. */
export async function* runChecks(
  checks: Iterable<Check>,
  timeoutMs: number = CHECK_MS,
): AsyncIterable<CheckResult> {
  for (const check of checks) {
    const { name } = check;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      yield { name, ok: true, message: await check.run(signal) };
    } catch (error) {
      const late = `there was no answer within ${writtenDuration(timeoutMs)}`;
      yield { name, ok: false, message: signal.aborted ? late : messageOf(error) };
    }
  }
}

/** The checks of a configuration that need neither a server nor a platform. */
export function configChecks({ services }: ScalerConfig): Check[] {
  const files = new Set(services.flatMap((service) => composeFileOf(service) ?? []));
  return [
    ...Array.from(files, composeCheck),
    ...services.flatMap((service, at) => [
      ...sharingChecks(service, services.slice(0, at)),
      ...composeServiceChecks(service),
      told(`${service.name}: replicas`, boundsInWords(service)),
      told(`${service.name}: policy`, policyInWords(service)),
    ]),
  ];
}

/** Something that is known to be right, as the file could not have been read otherwise. */
function told(name: string, message: string): Check {
  return { name, run: async () => message };
}

function composeFileOf({ target }: ServiceConfig): string | undefined {
  return target.driver === "docker" ? target.composeFile : undefined;
}

function composeCheck(file: string): Check {
  return {
    name: `compose file ${shownPath(file)}`,
    run: async () => {
      const { size } = await readCompose(file);
      return `${size} service${size === 1 ? "" : "s"}`;
    },
  };
}

function composeServiceChecks({ name, maxReplicas, target }: ServiceConfig): Check[] {
  if (target.driver !== "docker" || target.composeFile === undefined) return [];
  const { composeFile, service } = target;
  const run = async (): Promise<string> => {
    const found = findService(await readCompose(composeFile), service, shownPath(composeFile));
    if (found.container_name === undefined || maxReplicas < 2) return service;
    throw new DocktorError(
      "CONFIG_INVALID",
      `${service} has a container_name, so that there can be one of it only: remove that from the compose file`,
    );
  };
  return [{ name: `${name}: compose service`, run }];
}

/** Of two that scale the replicas of one consumer, only one would ever lead. */
function sharingChecks({ name, queue }: ServiceConfig, before: readonly ServiceConfig[]): Check[] {
  if (queue === undefined) return [];
  const key = ({ url, stream, consumer }: QueueConfig): string =>
    JSON.stringify([url, stream, consumer]);
  const other = before.find((each) => each.queue !== undefined && key(each.queue) === key(queue));
  if (other === undefined) return [];
  const run = async (): Promise<string> => {
    throw new DocktorError(
      "CONFIG_INVALID",
      `service ${other.name} scales ${queue.consumer} of stream ${queue.stream} already, and this one would stand by for ever`,
    );
  };
  return [{ name: `${name}: consumer ${queue.consumer}`, run }];
}

function boundsInWords(service: ServiceConfig): string {
  const { minReplicas, maxReplicas, checkIntervalMs, paused, dryRun } = service;
  const notes = [
    paused === undefined ? "" : `, paused${paused === "all" ? "" : ` (${paused})`}`,
    dryRun ? ", dry run" : "",
  ];
  return `${minReplicas} to ${maxReplicas}, every ${writtenDuration(checkIntervalMs)}${notes.join("")}`;
}

function policyInWords({ policy }: ServiceConfig): string {
  if (policy.kind === "rate") {
    const { utilization, sloMs, catchUpMs } = policy;
    return `rate: busy for ${Math.round(utilization * 100)} %, waits up to ${writtenDuration(sloMs)}, catches up in ${writtenDuration(catchUpMs)}`;
  }
  const { scaleUpWhen, scaleDownWhen, scaleUpBy, scaleDownBy } = policy.rules;
  const up = scaleUpWhen.map(inWords).join(" or ");
  const down = scaleDownWhen.map(inWords).join(" and ");
  const by = (count: number, when: string): string =>
    when === "" ? "never" : `by ${count} when ${when}`;
  return `rules: up ${by(scaleUpBy, up)}; down ${by(scaleDownBy, down)}`;
}

function shownPath(file: string): string {
  const path = relative("", file);
  return path.startsWith("..") ? file : path;
}
