/**
 * The store as members reach it over a network: every request waits until the search decides what
 * becomes of it. Requests of a write are settled by the code that settles them over KV.
 */
import { DocktorError, isDocktorError } from "../../../src/errors.ts";
import { settle } from "../../../src/lease/settle.ts";
import type { Entry, Store } from "../../../src/lease/store.ts";
import type { Bucket } from "./bucket.ts";
import type { Step } from "./search.ts";

/** A request, or what is left of it on the network. */
interface Message {
  readonly member: string;
  readonly key: string;
  readonly what: string;
  /** Of a write: whether it could still be accepted, now or later. */
  readonly mayLand?: () => boolean;
  carryOut(): Promise<unknown>;
}

/** A message whose answer is a `T`. */
interface Ask<T> extends Message {
  carryOut(): Promise<T>;
}

interface Request extends Message {
  answer(outcome: Outcome): void;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

interface Answer {
  readonly request: Request;
  readonly outcome: Outcome;
}

/** What a network needs. */
export interface NetworkOptions {
  /** How many answers may be lost or late. */
  faults: number;
  /** Whether a write without an answer is sent again and read back; else its caller is told at once. */
  settles: boolean;
  /** Whether the time at which the member learns something matters. */
  mayPause: (member: string) => boolean;
  /** Tells people what happened. */
  tell: (line: string) => void;
  /** Tells values apart, and the lives of members by name. */
  text: (value: unknown) => string;
  onLanded: (member: string, key: string, value: unknown) => void;
  /** A member has learnt something. */
  onAnswer: (member: string, key: string, what: string) => void;
}

/** All requests under way. */
export class Network {
  /** Whether requests are answered at once, as while the world is set up. */
  prompt = true;
  readonly #options: NetworkOptions;
  #faults: number;
  readonly #requests: Request[] = [];
  readonly #answers: Answer[] = [];
  /** Writes that were given up by their senders and may still land. */
  readonly #strays: Message[] = [];

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#faults = options.faults;
  }

  /**
   * The bucket, as a member reaches it. Requests for its own record are answered at once, so that
   * nothing is explored that changes nothing; only if they may fail, and faults are left, they wait
   * like any other.
   */
  port(member: string, bucket: Bucket, own?: { key: string; mayFail: boolean }): Store {
    const ask = <T>(request: Ask<T>): Promise<T> => {
      const prompt = request.key === own?.key && !(own.mayFail && this.#faults > 0);
      return prompt ? request.carryOut() : this.request(request);
    };
    const get = (key: string): Promise<Entry | undefined> =>
      ask({ member, key, what: `read of ${key}`, carryOut: () => bucket.get(key) });
    const send = (key: string, value: unknown, expected: number): Promise<number> =>
      ask({
        member,
        key,
        what: `write of ${this.#options.text(value)} to ${key} at revision ${expected}`,
        mayLand: () => bucket.mayAccept(key, expected),
        carryOut: async () => {
          const revision = await bucket.write(key, value, expected);
          this.#options.onLanded(member, key, value);
          return revision;
        },
      });
    return {
      get,
      write: async (key, value, expected) => {
        if (!this.#options.settles) return await send(key, value, expected);
        const read = () => get(key);
        return await settle({ key, value, expected, read, send: () => send(key, value, expected) });
      },
      delete: unasked,
      newest: unasked,
      watch: unasked,
    };
  }

  /** Sends a request. */
  request<T>(message: Ask<T>): Promise<T> {
    if (this.prompt) return message.carryOut();
    return new Promise((resolve, reject) => {
      const answer = (outcome: Outcome): void => {
        if ("error" in outcome) reject(outcome.error);
        else resolve(outcome.value as T);
      };
      this.#requests.push({ ...message, answer });
    });
  }

  /** What may become of the requests under way. */
  steps(): Step[] {
    return [
      ...this.#requests.flatMap((request) => this.#fates(request)),
      ...this.#answers.map((answer) => this.#arrival(answer)),
      ...this.#liveStrays.map((stray) => this.#landing(stray)),
    ];
  }

  /** What is on the network and not in the members' memory. */
  fingerprint(): string {
    const { text } = this.#options;
    const answers = this.#answers.map((each) => `${nameOf(each.request)}: ${text(each.outcome)}`);
    const strays = this.#liveStrays.map(nameOf);
    return text([this.#faults, answers.sort(), strays.sort()]);
  }

  get #liveStrays(): Message[] {
    return this.#strays.filter(({ mayLand }) => mayLand?.());
  }

  #fates(request: Request): Step[] {
    const carriedOut = async (): Promise<void> => {
      take(this.#requests, request);
      this.#options.tell(nameOf(request));
      this.#answer({ request, outcome: await outcomeOf(request) });
    };
    if (this.#faults === 0) return [carriedOut];
    const fault = (how: string, happens: () => Promise<void>): Step => {
      return async () => {
        this.#faults--;
        take(this.#requests, request);
        this.#options.tell(`${nameOf(request)}: ${how}`);
        await happens();
      };
    };
    if (request.mayLand === undefined) {
      return [carriedOut, fault("not answered", async () => this.#silence(request))];
    }
    const answerLost = async (): Promise<void> => {
      await outcomeOf(request);
      this.#silence(request);
    };
    const onItsWay = async (): Promise<void> => {
      this.#strays.push(request);
      this.#silence(request);
    };
    const slow = async (): Promise<void> => {
      this.#answers.push({ request, outcome: await outcomeOf(request) });
    };
    return [
      carriedOut,
      fault("carried out, and the answer is lost", answerLost),
      fault("not answered, and still on its way", onItsWay),
      // To others, an answer that comes late is like a next request that arrives late.
      ...(this.#options.mayPause(request.member)
        ? [fault("carried out, and the answer is slow", slow)]
        : []),
    ];
  }

  #arrival(answer: Answer): Step {
    return async () => {
      take(this.#answers, answer);
      this.#options.tell(`the answer to ${nameOf(answer.request)} comes`);
      this.#answer(answer);
    };
  }

  #landing(stray: Message): Step {
    return async () => {
      take(this.#strays, stray);
      const outcome = await outcomeOf(stray);
      const landed = "error" in outcome ? "comes too late" : "lands at last";
      this.#options.tell(`${nameOf(stray)} ${landed}`);
    };
  }

  #silence(request: Request): void {
    const error = new DocktorError("TIMEOUT", `no answer to ${nameOf(request)}`);
    this.#answer({ request, outcome: { error } });
  }

  #answer({ request, outcome }: Answer): void {
    const { tell, text, onAnswer } = this.#options;
    const what = "error" in outcome ? reasonOf(outcome.error) : text(outcome.value);
    tell(`  -> ${what}`);
    onAnswer(request.member, request.key, `${request.what}: ${what}`);
    request.answer(outcome);
  }
}

function nameOf({ member, what }: Message): string {
  return `${member}'s ${what}`;
}

function reasonOf(error: unknown): string {
  return isDocktorError(error) ? error.code : String(error);
}

async function outcomeOf(message: Message): Promise<Outcome> {
  try {
    return { value: await message.carryOut() };
  } catch (error) {
    return { error };
  }
}

/** What no step of the model needs. */
function unasked(): never {
  throw new Error("the model only reads and writes");
}

function take<T>(from: T[], item: T): void {
  from.splice(from.indexOf(item), 1);
}
