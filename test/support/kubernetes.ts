/**
 * An HTTP server that answers like a Kubernetes API server, as far as the driver asks, with a controller behind it that
 * adds and removes pods. It is no cluster: its answers have the shapes of the API reference (apps/v1, autoscaling/v1 Scale,
 * v1 Pod, metrics.k8s.io/v1beta1, v1 Status), and its controller keeps the documented order of deletion.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import type { Behaviour, Event } from "./replica-program.ts";

const COST = "controller.kubernetes.io/pod-deletion-cost";

/** How long a polite pod takes to start, and to end, in milliseconds. */
const STEP_MS = 30;

interface FakePod {
  readonly uid: string;
  readonly name: string;
  phase: "Pending" | "Running";
  ready: boolean;
  ending: boolean;
  annotations: Record<string, string>;
}

/** What a driver may send. */
interface Sent {
  readonly metadata?: {
    readonly resourceVersion?: string;
    readonly annotations?: Record<string, string | null>;
  };
  readonly spec?: { readonly replicas?: number };
}

/** A cluster with one workload of that name in namespace `shop`, and other pods beside it. */
export class FakeCluster {
  readonly token = "a-token";
  /** Requests so far: `PUT …/scale`. */
  readonly requests: string[] = [];
  readonly told: Record<Event, number> = { started: 0, asked: 0, finished: 0 };
  /** The next so many writes of the scale come too late, after someone else's. */
  conflicts = 0;
  /** How many pods the cluster has room for: the others that are wanted are not made yet. */
  room: number = Infinity;
  /** Whether there is a metrics server. */
  measures = true;
  /** What is answered instead: a status and a message. */
  refusal: { status: number; message: string } | undefined;
  readonly #kind: "Deployment" | "StatefulSet";
  readonly #name: string;
  readonly #behaviour: Behaviour;
  readonly #server: Server;
  readonly #timers = new Set<NodeJS.Timeout>();
  #pods: FakePod[] = [];
  #replicas = 1;
  #version = 1;
  #made = 0;

  private constructor(kind: "Deployment" | "StatefulSet", name: string, behaviour: Behaviour) {
    this.#kind = kind;
    this.#name = name;
    this.#behaviour = behaviour;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(
    kind: "Deployment" | "StatefulSet",
    name: string,
    behaviour: Behaviour,
  ): Promise<FakeCluster> {
    const cluster = new FakeCluster(kind, name, behaviour);
    await new Promise<void>((resolve) => cluster.#server.listen(0, "127.0.0.1", resolve));
    cluster.#control();
    return cluster;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The pods' names, and those of the ones that are to go with their cost of deletion. */
  get costs(): Record<string, string | undefined> {
    return Object.fromEntries(this.#pods.map((pod) => [pod.name, pod.annotations[COST]]));
  }

  get replicas(): number {
    return this.#replicas;
  }

  /** Has a pod fail its readiness probe. */
  unready(name: string): void {
    for (const pod of this.#pods) if (pod.name === name) pod.ready = false;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", this.url);
    const method = request.method ?? "";
    this.requests.push(`${method} ${url.pathname}`);
    const body = method === "GET" ? undefined : await json(request);
    const [status, answer] = this.#route(request, method, url, body as Sent | undefined);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer));
  }

  #route(
    request: IncomingMessage,
    method: string,
    url: URL,
    body: Sent | undefined,
  ): [number, object] {
    if (this.refusal) return refuse(this.refusal.status, this.refusal.message);
    if (request.headers.authorization !== `Bearer ${this.token}`)
      return refuse(401, "Unauthorized");
    const plural = this.#kind === "Deployment" ? "deployments" : "statefulsets";
    const { pathname, searchParams } = url;
    const selected = searchParams.get("labelSelector") === `app=${this.#name}`;
    switch (`${method} ${pathname}`) {
      case `GET /apis/apps/v1/namespaces/shop/${plural}/${this.#name}/scale`:
        return [200, this.#scale()];
      case `PUT /apis/apps/v1/namespaces/shop/${plural}/${this.#name}/scale`:
        if (this.conflicts-- > 0) this.#version++;
        if (body?.metadata?.resourceVersion !== String(this.#version)) {
          return refuse(
            409,
            "the object has been modified; please apply your changes to the latest",
          );
        }
        this.#version++;
        this.#replicas = body.spec?.replicas ?? 0;
        this.#later(() => this.#control());
        return [200, this.#scale()];
      case "GET /api/v1/namespaces/shop/pods":
        return [200, { kind: "PodList", apiVersion: "v1", items: this.#list(selected) }];
      case "GET /apis/metrics.k8s.io/v1beta1/namespaces/shop/pods":
        if (!this.measures) return refuse(404, "the server could not find the requested resource");
        return [200, { kind: "PodMetricsList", items: this.#metrics() }];
      default:
        return this.#routePod(method, pathname, body?.metadata?.annotations ?? {});
    }
  }

  #routePod(
    method: string,
    pathname: string,
    annotations: Record<string, string | null>,
  ): [number, object] {
    const name = /^\/api\/v1\/namespaces\/shop\/pods\/([^/]+)$/.exec(pathname)?.[1];
    const pod = this.#pods.find((each) => each.name === name);
    if (pod === undefined) return refuse(404, `${pathname} not found`);
    if (method === "DELETE") this.#pods = this.#pods.filter((each) => each !== pod);
    for (const [key, value] of Object.entries(annotations)) {
      if (value === null) delete pod.annotations[key];
      else pod.annotations[key] = value;
    }
    return [200, this.#describe(pod)];
  }

  /** Has as many pods as there are to be. */
  #control(): void {
    const present = this.#pods.filter(({ ending }) => !ending);
    for (let i = present.length; i < Math.min(this.room, this.#replicas); i++) this.#add();
    const order = present.toSorted(this.#kind === "Deployment" ? cheapestFirst : lastFirst);
    for (const pod of order.slice(0, Math.max(0, present.length - this.#replicas))) this.#end(pod);
  }

  #add(): void {
    const number = this.#made++;
    const suffix =
      this.#kind === "Deployment"
        ? `6d4b75cb6d-${String(number).padStart(5, "x")}`
        : String(lowestFree(this.#pods.map(({ name }) => Number(name.split("-").at(-1)))));
    const pod: FakePod = {
      uid: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
      name: `${this.#name}-${suffix}`,
      phase: "Pending",
      ready: false,
      ending: false,
      annotations: {},
    };
    this.#pods.push(pod);
    this.#later(() => {
      pod.phase = "Running";
      pod.ready = this.#behaviour !== "crashing";
      this.told.started++;
    });
  }

  #end(pod: FakePod): void {
    pod.ending = true;
    this.told.asked++;
    if (this.#behaviour === "deaf") return;
    this.#later(() => {
      this.told.finished++;
      this.#pods = this.#pods.filter((each) => each !== pod);
    });
  }

  #later(step: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      step();
    }, STEP_MS);
    this.#timers.add(timer);
  }

  #scale(): object {
    return {
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: { name: this.#name, namespace: "shop", resourceVersion: String(this.#version) },
      // As the real one, which leaves out a zero.
      spec: this.#replicas === 0 ? {} : { replicas: this.#replicas },
      status: { replicas: this.#pods.length, selector: `app=${this.#name}` },
    };
  }

  #list(selected: boolean): object[] {
    const other = { metadata: { name: "web-1", uid: "other" }, status: { phase: "Running" } };
    const evicted = {
      metadata: { name: `${this.#name}-evicted`, uid: "evicted" },
      status: { phase: "Failed", reason: "Evicted" },
    };
    const own = this.#pods.map((pod) => this.#describe(pod));
    return selected ? [...own, evicted] : [...own, evicted, other];
  }

  #describe({ uid, name, phase, ready, ending, annotations }: FakePod): object {
    const crashed = this.#behaviour === "crashing" && phase === "Running";
    return {
      metadata: {
        uid,
        name,
        namespace: "shop",
        labels: { app: this.#name },
        annotations,
        ...(ending && {
          deletionTimestamp: "2026-01-01T00:00:00Z",
          deletionGracePeriodSeconds: 30,
        }),
      },
      spec: {
        terminationGracePeriodSeconds: 30,
        containers: [
          {
            name: "app",
            env: [
              {
                name: "POD",
                valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } },
              },
              { name: "MEMBER_ID", value: "$(POD)" },
            ],
          },
        ],
      },
      status: {
        phase,
        conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
        containerStatuses: [
          {
            name: "app",
            ready,
            restartCount: crashed ? 4 : 0,
            state: crashed
              ? {
                  waiting: {
                    reason: "CrashLoopBackOff",
                    message: "back-off 1m20s restarting failed container=app",
                  },
                }
              : { running: { startedAt: "2026-01-01T00:00:00Z" } },
            lastState: crashed
              ? {
                  terminated: {
                    exitCode: 3,
                    reason: "Error",
                    message: "there is no such stream\n",
                  },
                }
              : {},
          },
        ],
      },
    };
  }

  #metrics(): object[] {
    return this.#pods.map(({ name }) => ({
      metadata: { name, namespace: "shop" },
      timestamp: "2026-01-01T00:00:00Z",
      window: "10.0s",
      containers: [{ name: "app", usage: { cpu: "250000000n", memory: "14Mi" } }],
    }));
  }
}

/** Of a ReplicaSet: first those that are not ready, then by cost. */
function cheapestFirst(a: FakePod, b: FakePod): number {
  const cost = ({ annotations }: FakePod): number => Number(annotations[COST] ?? 0);
  return Number(a.ready) - Number(b.ready) || cost(a) - cost(b);
}

/** Of a StatefulSet: by number, from above. */
function lastFirst(a: FakePod, b: FakePod): number {
  const number = ({ name }: FakePod): number => Number(name.split("-").at(-1));
  return number(b) - number(a);
}

function lowestFree(taken: readonly number[]): number {
  let number = 0;
  while (taken.includes(number)) number++;
  return number;
}

function refuse(code: number, message: string): [number, object] {
  return [code, { kind: "Status", apiVersion: "v1", status: "Failure", message, code }];
}
