/** How a message and its ack look on the wire. */
import { type Msg, MsgHdrsImpl } from "@nats-io/transport-node";
import { invalidOption } from "../errors.ts";
import type { MessageHeaders } from "../nats/headers.ts";
import { KEY_HEADER } from "../partition/names.ts";

/** Printable ASCII that neither begins nor ends with a space: what most keys are. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/;
const HEADER_NAME = /^[!-9;-~]+$/;
const RESERVED_NAME = /^(?:docktor|nats)-/i;
const NOT_WELL_FORMED = /\p{Surrogate}/u;

/**
 * Headers that are encoded already: building the client's own for each message and each
 * retry costs several times what the rest of a publish does.
 */
export class EncodedHeaders extends MsgHdrsImpl {
  #bytes: Uint8Array = new Uint8Array();

  /** These headers with other content; the client reads it before `publish` returns. */
  of(bytes: Uint8Array): this {
    this.#bytes = bytes;
    return this;
  }

  override encode(): Uint8Array {
    return this.#bytes;
  }
}

/** The headers of one message. @throws DocktorError INVALID_OPTION */
export function encodeHeaders(
  key: string,
  messageId: string,
  headers: MessageHeaders | undefined,
): Uint8Array {
  let text = `NATS/1.0\r\nNats-Msg-Id: ${messageId}\r\n${KEY_HEADER}: ${checkValue("key", key)}\r\n`;
  if (headers !== undefined) {
    for (const [name, value] of Object.entries(headers)) {
      checkHeaderName(name);
      for (const each of typeof value === "string" ? [value] : value) {
        text += `${name}: ${checkValue(`header ${name}`, each)}\r\n`;
      }
    }
  }
  return Buffer.from(`${text}\r\n`, "utf8");
}

/** A message id of the user's own. @throws DocktorError INVALID_OPTION */
export function checkMessageId(messageId: string): string {
  if (checkValue("messageId", messageId) !== "") return messageId;
  throw invalidOption("messageId is empty: leave it out to have one generated");
}

/** A value as it will arrive; anything that the header would change is refused. */
function checkValue(what: string, value: string): string {
  if (typeof value !== "string") throw invalidOption(`${what} is not a string`);
  if (PLAIN.test(value) || value === "") return value;
  const shown = JSON.stringify(value);
  if (/[\r\n\0]/.test(value)) {
    throw invalidOption(`${what} ${shown} has a line break or a NUL, which a header cannot carry`);
  }
  if (value !== value.trim()) {
    throw invalidOption(
      `${what} ${shown} begins or ends with white space, which a header cannot carry`,
    );
  }
  if (NOT_WELL_FORMED.test(value)) {
    throw invalidOption(`${what} ${shown} has half a surrogate pair, which UTF-8 cannot carry`);
  }
  return value;
}

function checkHeaderName(name: string): void {
  if (!HEADER_NAME.test(name)) {
    throw invalidOption(`header name ${JSON.stringify(name)} must be printable ASCII without ":"`);
  }
  if (RESERVED_NAME.test(name)) {
    throw invalidOption(
      `header name ${name} is reserved: names must not begin with Docktor- or Nats-`,
    );
  }
}

/** The data as bytes. @throws DocktorError INVALID_OPTION */
export function encodeData(data: Uint8Array | string): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, "utf8");
  if (data instanceof Uint8Array) return data;
  throw invalidOption(`data is of type ${typeof data}: use a string or a Uint8Array`);
}

/** What came back for a message. */
export type Reply =
  | { kind: "stored"; stream: string; sequence: number; duplicate: boolean }
  | { kind: "refused"; error: ApiError }
  /** No stream listens on the subject, at least at the moment. */
  | { kind: "nobody" };

/** The server's own words for why it refused a message. */
export interface ApiError {
  /** Akin to HTTP: 503 is often temporary. */
  status: number;
  code: number;
  description: string;
}

interface RawAck {
  stream?: unknown;
  seq?: unknown;
  duplicate?: unknown;
  error?: { code?: number; err_code?: number; description?: string };
}

/**
 * Reads replies. An ack differs from the one before in its sequence only, as a rule, and that is then read
 * in place: as JSON it costs thirty times as much.
 */
export class ReplyReader {
  /** The last ack as it was up to its sequence. */
  #prefix: Uint8Array = new Uint8Array();
  #stream = "";

  /** The reply; undefined for what is not a stream's answer. */
  read(message: Msg): Reply | undefined {
    const { data } = message;
    const sequence = sequenceBehind(this.#prefix, data);
    if (sequence !== undefined) {
      return { kind: "stored", stream: this.#stream, sequence, duplicate: false };
    }
    const reply = parseReply(message);
    if (reply?.kind === "stored" && !reply.duplicate) this.#learn(data, reply);
    return reply;
  }

  #learn(data: Uint8Array, { stream, sequence }: { stream: string; sequence: number }): void {
    const prefix = data.slice(0, data.length - `${sequence}}`.length);
    if (sequenceBehind(prefix, data) !== sequence) return;
    this.#prefix = prefix;
    this.#stream = stream;
  }
}

/** The number between the prefix, which is not empty, and a closing brace; undefined when it is not so. */
function sequenceBehind(prefix: Uint8Array, data: Uint8Array): number | undefined {
  const last = data.length - 1;
  if (prefix.length === 0 || last <= prefix.length || data[last] !== CLOSING_BRACE)
    return undefined;
  for (let i = 0; i < prefix.length; i++) if (data[i] !== prefix[i]) return undefined;
  let sequence = 0;
  for (let i = prefix.length; i < last; i++) {
    const digit = (data[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    sequence = sequence * 10 + digit;
  }
  return sequence;
}

const CLOSING_BRACE = 0x7d;
const ZERO = 0x30;

function parseReply(message: Msg): Reply | undefined {
  if (message.data.length === 0) {
    return message.headers?.code === 503 ? { kind: "nobody" } : undefined;
  }
  let ack: RawAck;
  try {
    ack = JSON.parse(message.string()) as RawAck;
  } catch {
    return undefined;
  }
  if (ack.error !== undefined) {
    const { code = 0, err_code = 0, description = "no reason given" } = ack.error;
    return { kind: "refused", error: { status: code, code: err_code, description } };
  }
  if (typeof ack.stream !== "string" || typeof ack.seq !== "number") return undefined;
  return {
    kind: "stored",
    stream: ack.stream,
    sequence: ack.seq,
    duplicate: ack.duplicate === true,
  };
}
