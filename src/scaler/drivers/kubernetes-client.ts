/**
 * A few requests to a Kubernetes API server.
 *
 * Not through the official client: scaling takes five kinds of request, and that client brings some fifty packages for all
 * the others. It would be a peer that every user of this driver had to install beside docktor; this file is not.
 */
import { type IncomingMessage, request as requestByHttp } from "node:http";
import { request as requestByHttps, type RequestOptions } from "node:https";
import { text } from "node:stream/consumers";
import { DocktorError, messageOf } from "../../errors.ts";
import { type ClusterAccess, readMaterial } from "./kubernetes-config.ts";
import { withDeadline } from "./patience.ts";

/** A server that takes longer is overloaded. */
const ANSWER_MS = 15_000;

/** One request. */
export interface KubernetesRequest {
  readonly method: "GET" | "PUT" | "PATCH" | "DELETE";
  /** Its parts, which may have any characters. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** In the error, should it be refused: `scale deployment consumer`. */
  readonly doing: string;
}

/** A refusal of the server. */
interface Refusal {
  readonly status: number;
}

/** One cluster. */
export class KubernetesClient {
  readonly #access: ClusterAccess;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /** The answer's JSON. @throws DocktorError TARGET_UNAVAILABLE; the signal's reason when it aborts first */
  async ask<Answer>(request: KubernetesRequest, signal: AbortSignal): Promise<Answer> {
    const { server } = this.#access;
    const who = `the Kubernetes API at ${server}`;
    let answer: { status: number; said: string };
    try {
      answer = await withDeadline({ who, ms: ANSWER_MS, signal }, (either) =>
        this.#send(request, either),
      );
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DocktorError) throw error;
      throw new DocktorError(
        "TARGET_UNAVAILABLE",
        `${who} cannot be reached: ${messageOf(error)}; see whether kubectl reaches it (kubectl cluster-info)`,
        { cause: error },
      );
    }
    const { status, said } = answer;
    if (status >= 200 && status < 300) return JSON.parse(said) as Answer;
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      `${who} did not ${request.doing}: ${reasonIn(said) ?? `HTTP status ${status}`}${remedy(status)}`,
      { cause: { status } satisfies Refusal },
    );
  }

  async #send(
    { method, path, query, body }: KubernetesRequest,
    signal: AbortSignal,
  ): Promise<{ status: number; said: string }> {
    const { server, insecure, serverName } = this.#access;
    const url = new URL(`${server}/${path.map(encodeURIComponent).join("/")}`);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const materials = [this.#access.ca, this.#access.cert, this.#access.key, this.#access.token];
    const [ca, cert, key, token] = await Promise.all(materials.map(readMaterial));
    const sending = body && Buffer.from(JSON.stringify(body));
    const patch = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const options: RequestOptions = {
      method,
      signal,
      headers: {
        accept: "application/json",
        // Node would leave out the length of what a DELETE has to say.
        ...(sending && { "content-type": patch, "content-length": sending.length }),
        ...(token !== undefined && { authorization: `Bearer ${token.trim()}` }),
      },
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(insecure && { rejectUnauthorized: false }),
      ...(serverName !== undefined && { servername: serverName }),
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent =
        url.protocol === "http:"
          ? requestByHttp(url, options, resolve)
          : requestByHttps(url, options, resolve);
      sent.on("error", reject);
      sent.end(sending);
    });
    return { status: response.statusCode ?? 0, said: await text(response) };
  }
}

/** Whether the server refused with that HTTP status. */
export function isRefusedWith(error: unknown, status: number): boolean {
  if (!(error instanceof DocktorError)) return false;
  return (error.cause as Partial<Refusal> | undefined)?.status === status;
}

function reasonIn(said: string): string | undefined {
  try {
    return (JSON.parse(said) as { message?: string }).message;
  } catch {
    // A proxy in between may say what it likes.
    return undefined;
  }
}

function remedy(status: number): string {
  if (status === 401) return "; log in again, or give it a new token";
  if (status === 403) {
    return '; give it a Role: deployments/scale and statefulsets/scale "get" and "update", pods "get", "list", "patch" and "delete"';
  }
  return "";
}
